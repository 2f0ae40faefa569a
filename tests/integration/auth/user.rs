//! The user of a scope, requested as another type.

use channels_runtime::ChannelsBuilder;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;

use crate::support::log::Log;

/// Requests the user as another type, and as a type that no authenticator returns.
#[tokio::test]
async fn user_of_another_type_is_logged_once() {
    struct Mine;
    struct Never;

    #[derive(Default)]
    struct Asks;

    #[consumer]
    impl Asks {
        #[receive]
        async fn receive(&mut self, cx: &mut Context<Self>, _frame: String) -> Result<()> {
            let scope = cx.scope();
            let found = [scope.user::<Mine>().is_some(), scope.user::<Never>().is_some()];
            cx.send_json(&found).await
        }
    }

    let (log, _listening) = Log::of_this_thread(tracing::Level::ERROR);
    let sees = async |builder: ChannelsBuilder, expected: [bool; 2]| {
        let route = builder.build().unwrap().route::<Asks>(warp::path!("ws"));
        let mut client = WebsocketCommunicator::new(route, "/ws");
        client.connect().await.unwrap();
        for _ in 0..2 {
            client.send_to("?").await.unwrap();
            assert_eq!(client.receive_json_from::<[bool; 2]>().await.unwrap(), expected);
        }
    };
    sees(Channels::builder().authenticator(async |_: Scope| Ok(Some(Mine))), [true, false]).await;
    sees(Channels::builder().authenticator(async |_: Scope| Ok(None::<Mine>)), [false, false]).await;
    let told = || log.text().lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect::<Vec<_>>();
    let [line] = &told()[..] else { panic!("{:?}", told()) };
    for word in ["of another type than the requested one", "Never", "Mine"] {
        assert!(line.contains(word), "{line}");
    }
    sees(Channels::builder(), [false, false]).await;
    let [_, line] = &told()[..] else { panic!("{:?}", told()) };
    assert!(line.contains("no authenticator") && line.contains("Mine"), "{line}");
}
