//! A handler without `self` runs in the sender's task, so it must not block.

use channels_runtime::prelude::*;

#[event("report.build")]
struct ReportBuild {
    path: String,
}

#[derive(Default)]
struct ReportConsumer;

#[consumer]
impl ReportConsumer {
    #[handler("report.build", blocking)]
    fn build(event: &ReportBuild) -> String {
        std::fs::read_to_string(&event.path).unwrap_or_default()
    }
}

fn main() {}
