//! The options of a TLS connection to Redis: the `ssl_*` arguments of redis-py.

use std::path::PathBuf;

/// The options of a TLS connection. `None` is the default of redis-py.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsOptions {
    /// A PEM file with further root certificates.
    pub(super) ca_file: Option<PathBuf>,
    /// A folder of such files.
    pub(super) ca_folder: Option<PathBuf>,
    /// Further root certificates in PEM.
    pub(super) ca_data: Option<String>,
    /// A PEM file with the client's certificate, and its key if there is no other file for the key.
    pub(super) certificate: Option<PathBuf>,
    /// A PEM file with the key of the client's certificate.
    pub(super) key: Option<PathBuf>,
    /// Whether the server's certificate is verified. Default: true.
    pub(super) verify: Option<bool>,
    /// Whether the server's certificate must name the server. Default: true.
    pub(super) verify_hostname: Option<bool>,
}

impl TlsOptions {
    /// Returns these options, and `other` for those that are not set.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            ca_file: self.ca_file.or(other.ca_file),
            ca_folder: self.ca_folder.or(other.ca_folder),
            ca_data: self.ca_data.or(other.ca_data),
            certificate: self.certificate.or(other.certificate),
            key: self.key.or(other.key),
            verify: self.verify.or(other.verify),
            verify_hostname: self.verify_hostname.or(other.verify_hostname),
        }
    }

    /// Returns the name in redis-py of the first option that is set.
    pub(super) fn first_set(&self) -> Option<&'static str> {
        let Self { ca_file, ca_folder, ca_data, certificate, key, verify, verify_hostname } = self;
        let set = [
            (ca_file.is_some(), "ssl_ca_certs"),
            (ca_folder.is_some(), "ssl_ca_path"),
            (ca_data.is_some(), "ssl_ca_data"),
            (certificate.is_some(), "ssl_certfile"),
            (key.is_some(), "ssl_keyfile"),
            (verify.is_some(), "ssl_cert_reqs"),
            (verify_hostname.is_some(), "ssl_check_hostname"),
        ];
        set.into_iter().find_map(|(is_set, name)| is_set.then_some(name))
    }
}
