//! Progress of a wait, on a terminal, once it has taken longer than a second.

use super::output;
use super::text;
use crate::member::control::Pending;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Shorter waits need no explanation.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// A bar that appears when there is something to wait for.
pub struct Progress {
    what: &'static str,
    began: Instant,
    bar: Option<ProgressBar>,
    most: u64,
}

impl Progress {
    /// `what` says what is being done, as in "sending".
    pub fn new(what: &'static str) -> Progress {
        Progress { what, began: Instant::now(), bar: None, most: 0 }
    }

    /// Shows how much is left.
    pub fn update(&mut self, left: &Pending) {
        if !output::somebody_watches() || self.began.elapsed() < SHOWN_AFTER {
            return;
        }
        let amount = if left.bytes > 0 { left.bytes } else { left.ops };
        self.most = self.most.max(amount);
        let bar = self.bar.get_or_insert_with(new_bar);
        bar.set_length(self.most);
        bar.set_position(self.most - amount);
        let what = self.what;
        bar.set_message(match left.is_none() {
            true => format!("{what}: waiting for the hub"),
            false => format!("{what}: {} left", text::amount(left)),
        });
        bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn new_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("[{bar:30}] {msg} ({elapsed})");
    let style = style.expect("the template is a constant").progress_chars("=> ");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}
