//! Certificates for TLS connections to Redis.

use std::fmt::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use deadpool_redis::redis::{Client, ClientTlsConfig, ConnectionInfo, TlsCertificates};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};

use crate::layer::redis::address::HostError;
use crate::layer::redis::tls_options::TlsOptions;

/// Reads the certificates, and adds them to a connection over TLS.
///
/// # Errors
/// A file cannot be read, or does not contain what it should. The text names the file and the option of redis-py.
pub(super) fn with_certificates(info: ConnectionInfo, options: &TlsOptions) -> Result<ConnectionInfo, HostError> {
    // The library requires a choice if a program contains two providers. A provider that is already installed works as well.
    _ = rustls::crypto::ring::default_provider().install_default();
    let client_tls = match &options.certificate {
        Some(certificate) => Some(client_certificate(certificate, options.key.as_deref())?),
        None => None,
    };
    let certificates = TlsCertificates { client_tls, root_cert: root_certificates(options)? };
    let unusable = |error| HostError(format!("the certificates for Redis cannot be used: {error}"));
    let info = Client::build_with_tls(info, certificates).map_err(unusable)?.get_connection_info().clone();
    if options.verify_hostname == Some(false) {
        let mut address = info.addr().clone();
        address.set_danger_accept_invalid_hostnames(true);
        return Ok(info.set_addr(address));
    }
    Ok(info)
}

fn client_certificate(certificate: &Path, key: Option<&Path>) -> Result<ClientTlsConfig, HostError> {
    let client_cert = read(certificate, "ssl_certfile")?;
    if CertificateDer::pem_slice_iter(&client_cert).next().is_none_or(|first| first.is_err()) {
        return Err(HostError(format!("`ssl_certfile`: {} contains no certificate in PEM", certificate.display())));
    }
    let (key, option) = key.map_or((certificate, "ssl_certfile"), |key| (key, "ssl_keyfile"));
    let client_key = read(key, option)?;
    if PrivateKeyDer::from_pem_slice(&client_key).is_err() {
        let problem = "contains no key in PEM that can be read without a password";
        return Err(HostError(format!("`{option}`: {} {problem}", key.display())));
    }
    Ok(ClientTlsConfig { client_cert, client_key })
}

/// Returns the root certificates in PEM: those of the system and those of the options, as in redis-py. `None` means only those of
/// the system.
fn root_certificates(options: &TlsOptions) -> Result<Option<Vec<u8>>, HostError> {
    let TlsOptions { ca_file, ca_folder, ca_data, .. } = options;
    if ca_file.is_none() && ca_folder.is_none() && ca_data.is_none() {
        return Ok(None);
    }
    // Unreadable certificates of the system are left out, because the others may be sufficient.
    let mut pem = in_pem(load_native_certs().certs);
    for (path, option, found) in [
        (ca_file, "ssl_ca_certs", ca_file.as_ref().map(|file| load_certs_from_paths(Some(file), None))),
        (ca_folder, "ssl_ca_path", ca_folder.as_ref().map(|folder| load_certs_from_paths(None, Some(folder)))),
    ] {
        let (Some(path), Some(found)) = (path, found) else { continue };
        pem.push_str(&own_certificates(path, option, found)?);
    }
    if let Some(data) = ca_data {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(data.as_bytes()).collect();
        let certificates = certificates.ok().map(in_pem).filter(|pem| !pem.is_empty());
        let problem = || HostError("`ssl_ca_data` contains no certificate in PEM".into());
        pem.push_str(&certificates.ok_or_else(problem)?);
    }
    Ok(Some(pem.into_bytes()))
}

fn own_certificates(path: &Path, option: &str, found: CertificateResult) -> Result<String, HostError> {
    if let Some(error) = found.errors.first() {
        return Err(HostError(format!("`{option}`: {} cannot be read: {error}", path.display())));
    }
    let pem = in_pem(found.certs);
    if pem.is_empty() {
        return Err(HostError(format!("`{option}`: {} contains no certificate in PEM", path.display())));
    }
    Ok(pem)
}

/// Returns the certificates that can be root certificates, in PEM.
fn in_pem(certificates: Vec<CertificateDer<'static>>) -> String {
    let mut pem = String::new();
    for certificate in certificates {
        if RootCertStore::empty().add(certificate.clone()).is_ok() {
            let body = STANDARD.encode(&certificate);
            _ = writeln!(pem, "-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----");
        }
    }
    pem
}

fn read(path: &Path, option: &str) -> Result<Vec<u8>, HostError> {
    std::fs::read(path).map_err(|error| HostError(format!("`{option}`: {} cannot be read: {error}", path.display())))
}
