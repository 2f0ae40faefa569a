//! Every kind of address that a server listens on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[disconnect]
    fn ended(&mut self, _: &mut Context<Self>, _: CloseCode) {}
}

#[test]
fn runs() {
    let channels = Channels::builder().build().unwrap();
    let chat = channels.route::<ChatConsumer>(warp::path!("chat"));
    let address: SocketAddr = ([127, 0, 0, 1], 8000).into();
    let text = address.to_string();
    drop(channels.serve(chat.clone(), "127.0.0.1:8000"));
    drop(channels.serve(chat.clone(), String::from("localhost:8000")));
    drop(channels.serve(chat.clone(), &text));
    drop(channels.serve(chat.clone(), ([127, 0, 0, 1], 8000)));
    drop(channels.serve(chat.clone(), ([0_u16; 8], 8000)));
    drop(channels.serve(chat.clone(), (Ipv4Addr::LOCALHOST, 8000)));
    drop(channels.serve(chat.clone(), (Ipv6Addr::LOCALHOST, 8000)));
    drop(channels.serve(chat.clone(), (IpAddr::from(Ipv4Addr::LOCALHOST), 8000)));
    drop(channels.serve(chat.clone(), SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8000)));
    drop(channels.serve(chat.clone(), SocketAddrV6::new(Ipv6Addr::LOCALHOST, 8000, 0, 0)));
    drop(channels.serve(chat, address));
    drop(channels.bind("127.0.0.1:8000"));
    drop(channels.bind(address));
}
