//! A worker whose `#[connect]` takes arguments.

use std::sync::{Arc, Mutex};

use channels_runtime::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::support::until::{until, within};

/// What a worker shares with its program: the numbers that were saved, each with the name of the consumer.
#[derive(Default)]
struct Database(Mutex<Vec<(String, u32)>>);

#[event("save.wanted")]
struct Save {
    number: u32,
}

struct SaveConsumer {
    name: String,
    database: Arc<Database>,
}

#[consumer]
impl SaveConsumer {
    #[connect]
    async fn connect(_: &mut Context<Self>, name: String, database: Arc<Database>) -> Result<Self, Reject> {
        Ok(Self { name, database })
    }

    #[handler("save.wanted")]
    fn save(&mut self, _: &mut Context<Self>, event: &Save) {
        assert!(event.number != 0, "as asked");
        self.database.0.lock().unwrap().push((self.name.clone(), event.number));
    }
}

#[tokio::test]
async fn worker_passes_arguments_to_each_consumer() {
    let database = Arc::<Database>::default();
    let channels = Channels::builder().build().unwrap();
    let worker = channels.worker_with::<SaveConsumer>("saves", ("saver".into(), Arc::clone(&database))).concurrency(2);
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run_until(stop.clone().cancelled_owned()));
    let layer = channels.channel_layer();
    until("the worker runs", || layer.channels_here() == 3).await;
    // The arguments of the worker, and of two consumers.
    until("both consumers hold the database", || Arc::strong_count(&database) == 4).await;

    let to = ChannelName::<SaveConsumer>::of_worker("saves").unwrap();
    for number in [1, 0, 2, 0, 3] {
        // The second and the fourth panic, so the last one is done by a new consumer.
        layer.send(&to, &Save { number }).await.unwrap();
    }
    until("the jobs are done", || database.0.lock().unwrap().len() == 3).await;
    stop.cancel();
    within(working).await.unwrap().unwrap();
    let mut saved = database.0.lock().unwrap().clone();
    saved.sort();
    assert_eq!(saved, [1, 2, 3].map(|number| ("saver".to_owned(), number)));
    assert_eq!(channels.stats().jobs.panicked, 2);
    assert_eq!(Arc::strong_count(&database), 1, "nothing of the worker remains");
}
