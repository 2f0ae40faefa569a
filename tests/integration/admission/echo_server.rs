//! A server with an echo consumer and two HTTP routes, and the raw client requests that its tests send.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::{ChannelsBuilder, DoorStats};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use warp::Filter;

use crate::support::client::{Answer, ask, handshake};

#[derive(Default)]
pub(crate) struct Echo;

#[consumer]
impl Echo {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        let client = cx.scope().client().map(|client| client.ip().to_string());
        cx.send_text(format!("{text} {}", client.unwrap_or_default())).await
    }
}

pub(crate) struct Server {
    pub(crate) channels: Channels,
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(builder: ChannelsBuilder) -> Self {
        let channels = builder.build();
        let server = channels.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = server.local_addr();
        let page = warp::path!("page").map(|| "a page");
        let length = warp::path!("length").and(warp::body::bytes());
        let length = length.map(|body: warp::hyper::body::Bytes| body.len().to_string());
        let routes = channels.route::<Echo>(warp::path!("ws")).or(page).or(length);
        Self { channels, address, task: tokio::spawn(server.serve(routes)) }
    }

    pub(crate) fn stats(&self) -> DoorStats {
        self.channels.stats().door
    }

    /// A handshake with these headers.
    pub(crate) async fn knock(&self, headers: &str) -> Answer {
        ask(self.address, &handshake("/ws", headers)).await
    }

    /// One with the right host.
    pub(crate) async fn enter(&self) -> Answer {
        self.knock(&format!("Host: {}\n", self.address)).await
    }

    pub(crate) async fn stop(self) {
        assert!(self.channels.shutdown(Duration::from_secs(10)).await, "every connection ends");
        tokio::time::timeout(Duration::from_secs(10), self.task).await.expect("the server ends").unwrap();
        assert_eq!(self.channels.stats().inside, 0);
    }
}

/// Sends a text of up to 125 bytes, and gives what comes back.
pub(crate) async fn say(socket: &mut TcpStream, text: &str) -> String {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    socket.write_all(&frame).await.unwrap();
    let answer = async {
        assert_eq!(socket.read_u8().await.unwrap(), 0x81);
        let mut answer = vec![0; socket.read_u8().await.unwrap().into()];
        socket.read_exact(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    tokio::time::timeout(Duration::from_secs(20), answer).await.expect("an answer, never a hang")
}
