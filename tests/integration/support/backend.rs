//! A backend over HTTP that the test scripts: it records each request, and answers as the test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A request: its line and headers, and its body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    /// Returns the values of a header, in their order.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers(name).first().copied().unwrap_or_default()
    }
}

/// What the backend does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    Json(&'static str),
    Status(u16, &'static str),
    /// The whole response.
    Raw(String),
    /// Reads the request, and never answers.
    Hangs,
    /// Closes the connection.
    Closes,
}

type Script = Mutex<Box<dyn FnMut(&Asked) -> Says + Send>>;

/// A backend on a free port of 127.0.0.1.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Script>,
    task: JoinHandle<()>,
}

impl Backend {
    pub(crate) async fn start(script: impl FnMut(&Asked) -> Says + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(crate) async fn start_at(address: SocketAddr, script: impl FnMut(&Asked) -> Says + Send + 'static) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let script = Arc::new(Mutex::new(Box::new(script) as Box<dyn FnMut(&Asked) -> Says + Send>));
        let (known, scripted) = (Arc::clone(&asked), Arc::clone(&script));
        let task = tokio::spawn(async move {
            let mut sockets = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                sockets.spawn(serve(socket, Arc::clone(&known), Arc::clone(&scripted)));
            }
        });
        Self { address, asked, script, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Changes what the backend does.
    pub(crate) fn now(&self, script: impl FnMut(&Asked) -> Says + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Closes the port and all connections.
    pub(crate) async fn stop(self) -> SocketAddr {
        self.task.abort();
        _ = self.task.await;
        self.address
    }
}

async fn serve(mut socket: TcpStream, asked: Arc<Mutex<Vec<Asked>>>, script: Arc<Script>) {
    while let Some(request) = read(&mut socket).await {
        asked.lock().unwrap().push(request.clone());
        let says = (script.lock().unwrap())(&request);
        let response = match says {
            Says::Json(body) => response(200, body),
            Says::Status(status, body) => response(status, body),
            Says::Raw(response) => response,
            Says::Hangs => std::future::pending().await,
            Says::Closes => return,
        };
        if socket.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn response(status: u16, body: &str) -> String {
    let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{length}\r\n{body}")
}

async fn read(socket: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut request = Asked { head, body: String::new() };
    let length: usize = request.header("content-length").parse().unwrap_or(0);
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
