//! The reply is not the event that the request expects.

use channels_runtime::ReplyTo;
use channels_runtime::prelude::*;

#[event("report.build")]
struct ReportBuild {
    id: u64,
    reply_to: ReplyTo<ReportBuilt>,
}

#[event("report.built")]
struct ReportBuilt {
    url: String,
}

#[event("report.failed")]
struct ReportFailed {
    reason: String,
}

#[derive(Default)]
struct ReportConsumer;

#[consumer]
impl ReportConsumer {
    #[handler("report.build")]
    async fn report_build(&mut self, cx: &mut Context<Self>, event: &ReportBuild) -> Result<()> {
        cx.reply(&event.reply_to, &ReportFailed { reason: "no paper".into() }).await
    }
}

fn main() {}
