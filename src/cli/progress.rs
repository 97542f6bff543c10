use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::service::Progress;

/// How often a bar is drawn at least, so that one that stands still is seen to be alive.
const TICK: Duration = Duration::from_millis(200);

/// A bar on standard error; nothing where that is no terminal.
pub struct Bar {
    shown: Option<ProgressBar>,
}

impl Bar {
    /// A bar that appears when something begins.
    pub fn new() -> Self {
        Bar { shown: None }
    }
}

impl Progress for Bar {
    fn begin(&mut self, what: &'static str, total: u64) {
        self.clear();
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:32}] {percent:>3} % {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what);
        bar.enable_steady_tick(TICK);
        self.shown = Some(bar);
    }

    fn advance(&mut self, by: u64) {
        if let Some(bar) = &self.shown {
            bar.inc(by);
        }
    }
}

impl Bar {
    /// Takes the bar away.
    pub fn clear(&mut self) {
        if let Some(bar) = self.shown.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}
