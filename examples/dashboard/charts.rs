//! The charts: the group of their samples, and the consumer of their pages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use channels_runtime::prelude::*;
use serde::Serialize;

use super::machine::Sample;

#[group("dashboard", events(Sample))]
pub(crate) struct Dashboard;

/// The samples of the last minute, oldest first.
#[derive(Default)]
pub(crate) struct LastMinute(Mutex<VecDeque<Sample>>);

impl LastMinute {
    pub(crate) fn push(&self, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == 60 {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    fn samples(&self) -> Samples {
        Samples(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Samples, oldest first: first those of the last minute, then one each second.
#[derive(Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct Samples(VecDeque<Sample>);

pub(crate) struct DashboardConsumer;

#[consumer(sends(Samples))]
impl DashboardConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, last_minute: Arc<LastMinute>) -> Result<Self, Reject> {
        // In this order no sample is missed. One can arrive twice; the page detects it by its time.
        cx.group_add(&Dashboard).await?;
        cx.send(&last_minute.samples()).await?;
        Ok(Self)
    }

    /// Without `self`, the frame is rendered once, and every viewer receives the same bytes.
    #[handler("machine.sample")]
    fn machine_sample(event: &Sample) -> Json<Samples> {
        Json(Samples([event.clone()].into()))
    }
}
