//! A blocking method cannot await: it calls `block_on`.

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
    fn build(&mut self, cx: &mut Context<Self>, event: &ReportBuild) -> Result<()> {
        let text = std::fs::read_to_string(&event.path)?;
        cx.send_text(text)?;
        Ok(())
    }

    #[receive]
    fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.send_text(text)?;
        Ok(())
    }
}

fn main() {}
