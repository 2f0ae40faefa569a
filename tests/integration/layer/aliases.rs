//! The names of installed layers.

use std::time::Duration;

use channels_runtime::Envelope;
use channels_runtime::layer::Format;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde_json::json;

use crate::support::until::until;

/// Time for an application to end.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn installed_layer_is_found_by_name() {
    let layer = ChannelLayer::in_memory();
    layer.install("a name of this test");
    let channel = layer.new_channel().await.unwrap();
    let found = channel_layer("a name of this test").unwrap();
    found.send_raw(channel.name().as_str(), json!({"type": "x"})).await.unwrap();
    let envelope: Envelope = channel.receive().await.unwrap();
    assert_eq!((envelope.event_name(), envelope.format()), ("x", Format::Msgpack));
}

#[test]
fn building_an_application_installs_nothing() {
    let channels = Channels::builder().build().unwrap();
    let missing = channel_layer("default").unwrap_err().to_string();
    assert!(missing.contains("no channel layer is installed as `default`"), "{missing}");
    assert!(missing.contains("`channels.install(\"default\")`"), "{missing}");
    channels.install("another name of this test");
    assert!(channel_layer("another name of this test").is_ok());
}

/// Two applications in one process: sockets on one layer, workers on another.
#[tokio::test]
async fn two_applications_keep_their_layers_apart() {
    #[event("job.wanted")]
    struct JobWanted {
        number: u32,
    }
    #[event("job.done")]
    struct JobDone {
        number: u32,
    }
    #[group("results", events(JobDone))]
    struct Results;

    #[derive(Default)]
    struct Viewer;

    #[consumer]
    impl Viewer {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&Results).await?;
            Ok(Self)
        }

        /// Sends the job through the other application's layer.
        #[receive]
        async fn receive(&mut self, _cx: &mut Context<Self>, Json(number): Json<u32>) -> Result<()> {
            let workers = ChannelName::<Doubler>::of_worker("doubles")?;
            Ok(channel_layer("jobs of this test")?.send(&workers, &JobWanted { number }).await?)
        }

        #[handler("job.done")]
        fn job_done(event: &JobDone) -> Json<u32> {
            Json(event.number)
        }
    }

    #[derive(Default)]
    struct Doubler;

    #[consumer]
    impl Doubler {
        #[handler("job.wanted")]
        async fn job_wanted(&mut self, cx: &mut Context<Self>, event: &JobWanted) -> Result<()> {
            let done = JobDone { number: 2 * event.number };
            // On the worker's own layer the group has no members.
            cx.group_send(&Results, &done).await?;
            Ok(channel_layer("sockets of this test")?.group_send(&Results, &done).await?)
        }
    }

    let sockets = Channels::builder().build().unwrap();
    let jobs = Channels::builder().build().unwrap();
    sockets.install("sockets of this test");
    jobs.install("jobs of this test");
    let worker = tokio::spawn(jobs.worker::<Doubler>("doubles").run());
    until("the worker has its two channels", || jobs.channel_layer().channels_here() == 2).await;

    let route = sockets.route::<Viewer>(warp::path!("ws"));
    let mut client = WebsocketCommunicator::new(route, "/ws");
    client.connect().await.unwrap();
    client.send_to("21").await.unwrap();
    assert_eq!(client.receive_json_from::<u32>().await.unwrap(), 42);
    assert!(client.receive_nothing().await);
    assert_eq!(sockets.channel_layer().stats().delivered, 1);
    client.disconnect(CloseCode::NORMAL).await.unwrap();

    assert!(jobs.shutdown(PATIENCE).await);
    worker.await.unwrap().unwrap();
    assert_eq!(jobs.stats().jobs.done, 1);
    assert!(sockets.shutdown(PATIENCE).await);
}
