//! `wss://` without a proxy: real certificates, and a rustls client.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
use channels_runtime::web::{IntoService, ServeError};
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::server::drain::told_to_wait;
use crate::support::client::next_or_end;
use crate::support::deflate_client::{DeflateClient, OFFER};
use crate::support::echo::Echo;
use crate::support::until::{until, until_within, within};

/// A folder with a certificate for `localhost` and its key. It is removed on drop.
struct Files(PathBuf);

impl Files {
    fn new() -> (Self, CertificateDer<'static>) {
        let folder = std::env::temp_dir().join(format!("channels-tls-{}", Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let files = Self(folder);
        let certificate = files.renew();
        (files, certificate)
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }

    /// Writes a new certificate with a new key.
    fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(self.certificate(), made.cert.pem()).unwrap();
        std::fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Connects as a client that trusts only this certificate.
async fn connect(address: SocketAddr, trusted: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

async fn echoes(address: SocketAddr, trusted: &CertificateDer<'static>) {
    let stream = connect(address, trusted).await.unwrap();
    let url = format!("wss://localhost:{}/echo", address.port());
    let (mut client, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    for size in [5, 70_000, 900_000] {
        let text = "x".repeat(size);
        client.send(Message::text(text.clone())).await.unwrap();
        let next = tokio::time::timeout(Duration::from_secs(20), client.next()).await;
        assert!(next.expect("a response arrives in time").unwrap().unwrap().into_text().unwrap().as_str() == text);
    }
    client.close(None).await.unwrap();
}

type Serving = tokio::task::JoinHandle<Result<(), ServeError>>;

async fn start(files: &Files) -> (Channels, SocketAddr, Serving) {
    start_with(files, |channels| channels.route::<Echo>(warp::path!("echo"))).await
}

async fn start_with<Kind: 'static, R: IntoService<Kind>>(
    files: &Files,
    routes: impl FnOnce(&Channels) -> R,
) -> (Channels, SocketAddr, Serving) {
    let channels = Channels::builder().header_deadline(Duration::from_millis(500)).compression(256).build().unwrap();
    let server = channels.bind(([127, 0, 0, 1], 0)).await.unwrap();
    let server = server.tls(files.certificate(), files.key()).unwrap();
    let address = server.local_addr();
    let routes = routes(&channels);
    (channels, address, tokio::spawn(server.serve(routes)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_serves_axum_application() {
    let (files, certificate) = Files::new();
    let app = |channels: &Channels| Router::new().consumer("/echo", channels.axum::<Echo>());
    let (channels, address, serving) = start_with(&files, app).await;
    echoes(address, &certificate).await;
    let stream = connect(address, &certificate).await.unwrap();
    let url = format!("wss://localhost:{}/echo", address.port());
    let (mut client, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let closed = tokio::spawn(async move { next_or_end(&mut client).await });
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    assert!(told_to_wait(&closed.await.unwrap().expect("a close frame")).is_some());
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_serves_messages_and_reloads_certificate() {
    let (files, first) = Files::new();
    let (channels, address, serving) = start(&files).await;
    echoes(address, &first).await;
    let second = files.renew();
    // The server checks the files once a second.
    until_within(Duration::from_secs(20), "the new certificate is found", async || {
        connect(address, &second).await.is_ok()
    })
    .await;
    echoes(address, &second).await;
    assert!(connect(address, &first).await.is_err(), "the client trusts only the old certificate");
    // A key that does not match, as while the two files are written.
    std::fs::write(files.key(), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    echoes(address, &second).await;
    let third = files.renew();
    until_within(Duration::from_secs(20), "the third certificate is found", async || {
        connect(address, &third).await.is_ok()
    })
    .await;
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_closes_client_without_tls() {
    let (files, certificate) = Files::new();
    let (channels, address, serving) = start(&files).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut rest = Vec::new();
    _ = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut rest))
        .await
        .expect("the server closes the socket");
    let mut plain = TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET /echo HTTP/1.1\r\nHost: ours\r\n\r\n").await.unwrap();
    _ = tokio::time::timeout(Duration::from_secs(20), plain.read_to_end(&mut rest))
        .await
        .expect("the server closes the socket");
    until("both sockets are counted", || channels.stats().handshakes.tls_failed == 2).await;
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP"), "no response in plain text");
    echoes(address, &certificate).await;
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn tls_file_errors_name_the_file_without_its_content() {
    let (files, _) = Files::new();
    let channels = Channels::builder().build().unwrap();
    let problem = async |certificate: &Path, key: &Path| -> ServeError {
        let server = channels.bind(([127, 0, 0, 1], 0)).await.unwrap();
        server.tls(certificate, key).unwrap_err()
    };
    let missing = files.0.join("missing.pem");
    let (certificate, key) = (files.certificate(), files.key());
    let error = problem(&missing, &key).await;
    assert!(matches!(error, ServeError::TlsFile { .. }) && error.to_string().contains("missing.pem"), "{error}");
    for content in ["", "my secret", "-----BEGIN my secret\nmy secret\n", "-----BEGIN PRIVATE KEY-----\nmy secret\n"] {
        let broken = files.0.join("broken.pem");
        std::fs::write(&broken, content).unwrap();
        for error in [problem(&broken, &key).await, problem(&certificate, &broken).await] {
            let said = format!("{error} {error:?} {:?}", std::error::Error::source(&error).map(ToString::to_string));
            assert!(said.contains("broken.pem") && !said.contains("my secret"), "{said}");
        }
    }
    let other = files.0.join("other.pem");
    std::fs::write(&other, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let error = problem(&certificate, &other).await;
    assert!(matches!(error, ServeError::TlsPair { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_counts_proxy_protocol() {
    let (files, certificate) = Files::new();
    let (channels, address, serving) = start(&files).await;
    let mut balancer = TcpStream::connect(address).await.unwrap();
    let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut balancer, line).await.unwrap();
    _ = within(balancer.read_to_end(&mut Vec::new())).await;
    let stats = channels.stats().handshakes;
    assert_eq!((stats.proxy_protocol, stats.tls_failed), (1, 0));
    echoes(address, &certificate).await;
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    serving.await.unwrap().unwrap();
}

#[event("tls.row")]
struct Row {
    text: String,
}

#[group("tls.rows", events(Row))]
struct Rows;

/// Sends each text to the group.
struct Talker;

#[consumer]
impl Talker {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Rows).await?;
        Ok(Self)
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.group_send(&Rows, &Row { text }).await
    }

    #[handler("tls.row")]
    fn row(event: &Row) -> String {
        event.text.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_carries_compressed_messages() {
    let (files, certificate) = Files::new();
    let (channels, address, serving) = start_with(&files, |channels| channels.route::<Talker>(warp::path!("ws"))).await;
    let mut members = Vec::new();
    for headers in [OFFER, OFFER, ""] {
        let stream = connect(address, &certificate).await.unwrap();
        let host = format!("Host: localhost:{}\n{headers}", address.port());
        members.push(DeflateClient::over(stream, "/ws", &host).await);
    }
    // Smaller and larger than the buffers of TLS records, plain and compressed, inflated at once and on another thread.
    let sizes = [10, 2000, 20_000, 300_000, 900_000];
    let noise = |at: usize| char::from(b'a' + (at.wrapping_mul(2_654_435_761) >> 7) as u8 % 26);
    let texts = sizes.map(|size| (0..size).map(noise).collect::<String>());
    for text in &texts {
        members[0].send_compressed(text).await;
        members[1].send_text(text).await;
        for (at, member) in members.iter_mut().enumerate() {
            for _ in 0..2 {
                let received = member.next().await;
                assert!(received.text == *text, "{} bytes", text.len());
                assert_eq!(received.is_compressed, at < 2 && text.len() > 1024, "{} bytes", text.len());
            }
        }
    }
    let stats = channels.stats().compression;
    assert_eq!((stats.accepted, stats.inflated, stats.compressed), (2, 5, 8));
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    serving.await.unwrap().unwrap();
}
