//! The frames of a test client, for the message of a failed test.

use std::collections::VecDeque;
use std::fmt;

use crate::error::shown;
use crate::websocket::Frame;

/// The number of frames that are kept.
const LINES: usize = 20;

/// The last 20 frames that a communicator has sent and received, each with its first 200 characters.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    lines: VecDeque<String>,
    omitted: usize,
}

impl Transcript {
    fn push(&mut self, line: String) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
            self.omitted += 1;
        }
        self.lines.push_back(line);
    }

    pub(crate) fn sent(&mut self, frame: &Frame) {
        self.push(format!("sent     {}", line(frame)));
    }

    pub(crate) fn received(&mut self, frame: &Frame) {
        self.push(format!("received {}", line(frame)));
    }
}

fn line(frame: &Frame) -> String {
    match frame {
        Frame::Text(text) => shown(text).to_owned(),
        Frame::Binary(bytes) => format!("{} bytes: {:?}", bytes.len(), &bytes[..bytes.len().min(50)]),
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            return f.write_str("; nothing was sent or received before");
        }
        f.write_str("; before that:")?;
        if self.omitted > 0 {
            write!(f, "\n  ({} more)", self.omitted)?;
        }
        self.lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.lines).finish()
    }
}
