//! Redis over TLS: own CAs, client certificates, self-signed servers, and Sentinel, each by Django's settings.

use std::path::PathBuf;

use channels_runtime::layer::RedisHost;
use channels_runtime::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::layer::redis::core::{Room, Tick, next_number};
use crate::support::redis::{RedisServer, free_port};

const CORE: &str = "channels_redis.core.RedisChannelLayer";
const PUBSUB: &str = "channels_redis.pubsub.RedisPubSubChannelLayer";

/// A CA, and certificates that it has signed, in a folder that is removed on drop.
struct Certificates(PathBuf);

impl Certificates {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("channels-redis-tls-{}", Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, folder.display().to_string());
        write("ca.pem", ca.self_signed(&ca_key).unwrap().pem());
        let issuer = Issuer::new(ca, ca_key);
        for (name, subjects) in [
            ("server", &["localhost", "127.0.0.1"][..]),
            ("elsewhere", &["redis.example.org"]),
            ("client", &["client"]),
        ] {
            let key = KeyPair::generate().unwrap();
            let subjects: Vec<_> = subjects.iter().map(|subject| (*subject).to_owned()).collect();
            let mut certificate = CertificateParams::new(subjects).unwrap();
            // OpenSSL takes a certificate for self-signed if its subject is that of the CA.
            certificate.distinguished_name.push(DnType::CommonName, name);
            let certificate = certificate.signed_by(&key, &issuer).unwrap().pem();
            write(&format!("{name}-both.pem"), format!("{certificate}{}", key.serialize_pem()));
            write(&format!("{name}.pem"), certificate);
            write(&format!("{name}-key.pem"), key.serialize_pem());
        }
        Self(folder)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Returns the options of a server with this certificate, which accepts clients with a certificate of the CA.
    fn options(&self, port: u16, server: &str, clients: &str) -> Vec<String> {
        let (certificate, key) = (self.file(&format!("{server}.pem")), self.file(&format!("{server}-key.pem")));
        let ca = self.file("ca.pem");
        let port = port.to_string();
        let options = ["--tls-port", &port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let clients = ["--tls-ca-cert-file", &ca, "--tls-auth-clients", clients];
        options.into_iter().chain(clients).map(String::from).collect()
    }

    fn start(&self, server: &str, clients: &str, more: &[&str]) -> (RedisServer, u16) {
        let port = free_port();
        let options = self.options(port, server, clients);
        let options: Vec<_> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
        (RedisServer::start_with(&options), port)
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn open(backend: &str, host: &Value) -> Result<ChannelLayer, String> {
    let layers = json!({"default": {"BACKEND": backend, "CONFIG": {"hosts": [host]}}});
    ChannelLayer::from_json(&layers.to_string()).await.map_err(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    })
}

/// Sends messages over both layers, with one entry of `hosts` for both.
async fn works(host: &Value) {
    for backend in [CORE, PUBSUB] {
        let layer = open(backend, host).await.unwrap_or_else(|error| panic!("{host}: {error}"));
        let channel = layer.new_channel().await.unwrap();
        layer.group_add(&Room, channel.name()).await.unwrap();
        layer.group_send(&Room, &Tick { number: 7 }).await.unwrap();
        layer.send(channel.name(), &Tick { number: 8 }).await.unwrap();
        assert_eq!((next_number(&channel).await, next_number(&channel).await), (7, 8), "{host}");
    }
}

async fn fails(host: &Value, expected: &str) {
    let error = open(CORE, host).await.expect_err(&host.to_string());
    assert!(error.contains(expected), "{host}: {error}");
}

#[tokio::test]
async fn own_ca_is_trusted_by_each_setting_for_it() {
    let files = Certificates::new();
    let (_server, port) = files.start("server", "no", &[]);
    let address = format!("rediss://localhost:{port}/0");
    let ca = files.file("ca.pem");
    works(&json!(format!("{address}?ssl_ca_certs={ca}"))).await;
    works(&json!({"address": address, "ssl_ca_certs": ca})).await;
    works(&json!({"host": "127.0.0.1", "port": port.to_string(), "ssl": true, "ssl_ca_certs": ca})).await;
    works(&json!({"address": address, "ssl_ca_data": std::fs::read_to_string(&ca).unwrap()})).await;
    let folder = files.0.join("trusted");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&ca, folder.join("ca.pem")).unwrap();
    works(&json!({"address": address, "ssl_ca_path": folder})).await;
    let layer = ChannelLayer::redis_core(&[RedisHost::from(address.as_str()).ca_file(&ca)]).await.unwrap();
    drop(layer);

    let error = "UnknownIssuer: either this machine has no CA certificates (install the package `ca-certificates`), or the server \
                 has its own CA: name its certificate with `ssl_ca_certs`";
    fails(&json!(address), error).await;
    let missing = files.file("missing.pem");
    fails(&json!({"address": address, "ssl_ca_certs": missing}), &format!("`ssl_ca_certs`: {missing} cannot be read"))
        .await;
    let key = files.file("server-key.pem");
    let error = format!("`ssl_ca_certs`: {key} contains no certificate in PEM");
    fails(&json!({"address": address, "ssl_ca_certs": key}), &error).await;
    fails(&json!({"address": address, "ssl_ca_data": "x"}), "`ssl_ca_data` contains no certificate in PEM").await;
}

#[tokio::test]
async fn unverified_server_is_accepted_only_by_setting() {
    let files = Certificates::new();
    let (_server, port) = files.start("elsewhere", "no", &["--requirepass", "s3cret"]);
    let address = format!("rediss://:s3cret@localhost:{port}/0");
    let ca = files.file("ca.pem");
    for cert_reqs in [json!(null), json!("none")] {
        works(&json!({"address": address, "ssl_cert_reqs": cert_reqs})).await;
    }
    works(&json!(format!("{address}?ssl_cert_reqs=none"))).await;
    works(&json!({"address": address, "ssl_ca_certs": ca, "ssl_check_hostname": false})).await;
    fails(&json!({"address": address, "ssl_ca_certs": ca}), "or switch the check off with `ssl_check_hostname`").await;
    fails(&json!({"address": address, "ssl_check_hostname": false}), "UnknownIssuer").await;
    fails(&json!({"address": address, "ssl_cert_reqs": "optional"}), "UnknownIssuer").await;
}

#[tokio::test]
async fn client_with_certificate_connects_to_server_that_requires_one() {
    let files = Certificates::new();
    let (_server, port) = files.start("elsewhere", "yes", &[]);
    let address = format!("rediss://localhost:{port}/0");
    let (certificate, key, both) =
        (files.file("client.pem"), files.file("client-key.pem"), files.file("client-both.pem"));
    let strangers = Certificates::new();
    let stranger = strangers.file("client-both.pem");
    // With each kind of verification.
    for mut host in [
        json!({"address": address, "ssl_cert_reqs": null}),
        json!({"address": address, "ssl_ca_certs": files.file("ca.pem"), "ssl_check_hostname": false}),
    ] {
        fails(&host, "name its files with `ssl_certfile` and `ssl_keyfile`").await;
        host["ssl_certfile"] = json!(both);
        works(&host).await;
        host["ssl_certfile"] = json!(certificate);
        fails(&host, &format!("`ssl_certfile`: {certificate} contains no key in PEM")).await;
        host["ssl_keyfile"] = json!(key);
        works(&host).await;
        host["ssl_certfile"] = json!(stranger);
        host["ssl_keyfile"] = json!(stranger);
        fails(&host, "Redis does not know the CA that signed the certificate of the client").await;
        host["ssl_certfile"] = json!(key);
        fails(&host, &format!("`ssl_certfile`: {key} contains no certificate in PEM")).await;
    }
    let url = format!("{address}?ssl_cert_reqs=none&ssl_certfile={certificate}&ssl_keyfile={key}");
    works(&json!(url)).await;
}

#[tokio::test]
async fn sentinel_and_its_master_use_tls() {
    let files = Certificates::new();
    for (server, verification) in [
        ("server", json!({"ssl_ca_certs": files.file("ca.pem")})),
        // Sentinel reports the IP address of the master, which this certificate does not name.
        ("elsewhere", json!({"ssl_ca_certs": files.file("ca.pem"), "ssl_check_hostname": false})),
        ("elsewhere", json!({"ssl_cert_reqs": "none"})),
    ] {
        let (_master, port) = files.start(server, "yes", &["--requirepass", "of-master"]);
        let sentinel_port = free_port();
        let mut options = files.options(sentinel_port, server, "yes");
        options.extend(["--tls-replication".to_owned(), "yes".to_owned()]);
        let more = "sentinel auth-pass mymaster of-master\nrequirepass of-sentinel\n";
        let _sentinel = RedisServer::start_sentinel_with(port, &options, more);
        let mut options = verification;
        options["ssl"] = json!(true);
        options["ssl_certfile"] = json!(files.file("client.pem"));
        options["ssl_keyfile"] = json!(files.file("client-key.pem"));
        let mut host = options.clone();
        options["password"] = json!("of-sentinel");
        options["socket_timeout"] = json!("0.5");
        host["sentinels"] = json!([["127.0.0.1", sentinel_port.to_string()]]);
        host["master_name"] = json!("mymaster");
        host["password"] = json!("of-master");
        host["sentinel_kwargs"] = options;
        works(&host).await;
        host["master_name"] = json!("other");
        fails(&host, "no Sentinel names a server that is the master of `other`").await;
    }
}
