//! Only the word `blocking` may follow a name.

use channels_runtime::prelude::*;

#[event("report.build")]
struct ReportBuild {
    path: String,
}

#[derive(Default)]
struct ReportConsumer;

#[consumer]
impl ReportConsumer {
    #[handler("report.build", blocked)]
    fn build(&mut self, _: &mut Context<Self>, event: &ReportBuild) -> Result<()> {
        std::fs::remove_file(&event.path)?;
        Ok(())
    }
}

fn main() {}
