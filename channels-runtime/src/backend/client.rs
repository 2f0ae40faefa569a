//! The HTTP client that all requests to backends use.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::LOCATION;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// The largest response, in bytes.
pub(crate) const MAX_RESPONSE: usize = 64 * 1024;

/// The time after which an unused connection is closed. Django's servers close theirs after 2 s (gunicorn) or 5 s (uvicorn), and
/// a request on a connection that is just closing must be sent again.
const IDLE: Duration = Duration::from_secs(1);

/// The highest number of unused connections to one host.
const MAX_IDLE: usize = 32;

#[cfg(feature = "backend-tls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "backend-tls"))]
type Connector = HttpConnector;

/// An HTTP/1.1 client. It follows no redirect and uses no proxy of the environment, so a request with a user's cookie reaches the
/// configured host only.
#[derive(Clone)]
pub(crate) struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
}

/// The response of a backend, with its whole body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// The host and path of a redirect, for the log.
    pub(crate) location: Option<String>,
}

/// The reason why a backend has not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("cannot connect")]
    Connect(#[source] Box<dyn StdError + Send + Sync>),
    #[error("the connection broke before the response was complete")]
    Broken(#[source] Box<dyn StdError + Send + Sync>),
    #[error("the response is larger than 64 KiB")]
    TooLarge(StatusCode),
    #[error("no response within {0:?}")]
    Late(Duration),
}

impl HttpClient {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        #[cfg(feature = "backend-tls")]
        let connector = tls_connector(connector);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(MAX_IDLE);
        Self { client: builder.build(connector) }
    }

    /// Sends a request, and reads the response. The deadline includes the connection and the whole body.
    ///
    /// # Cancel safety
    /// If the future is dropped, the backend may have received the request or not.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>, deadline: Duration) -> Result<Answer, NoAnswer> {
        let answering = async {
            let response = self.client.request(request).await.map_err(|error| {
                if error.is_connect() { NoAnswer::Connect(error.into()) } else { NoAnswer::Broken(error.into()) }
            })?;
            let status = response.status();
            let location = response.headers().get(LOCATION).filter(|_| status.is_redirection());
            let location = location.and_then(|location| location.to_str().ok()).map(without_query);
            let body = Limited::new(response.into_body(), MAX_RESPONSE).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() { NoAnswer::TooLarge(status) } else { NoAnswer::Broken(error) }
            })?;
            Ok(Answer { status, body: body.to_bytes(), location })
        };
        tokio::time::timeout(deadline, answering).await.unwrap_or(Err(NoAnswer::Late(deadline)))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

/// Returns a text of the backend for the log: without the query, and not long.
fn without_query(location: &str) -> String {
    location.split(['?', '#']).next().unwrap_or_default().chars().take(200).collect()
}

#[cfg(feature = "backend-tls")]
fn tls_connector(mut connector: HttpConnector) -> Connector {
    connector.enforce_http(false);
    let mut roots = rustls::RootCertStore::empty();
    // A certificate that cannot be read is left out. Without any, each request fails, and its error names the certificate.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the versions of TLS that are on by default")
        .with_root_certificates(roots)
        .with_no_client_auth();
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector)
}
