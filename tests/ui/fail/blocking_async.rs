//! An async method awaits, so it cannot be `blocking`.

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
    async fn build(&mut self, _: &mut Context<Self>, event: &ReportBuild) -> Result<()> {
        std::fs::remove_file(&event.path)?;
        Ok(())
    }
}

fn main() {}
