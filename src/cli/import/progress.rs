use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far an import is, on standard error where that is a terminal, and nowhere else.
pub struct Progress(ProgressBar);

/// How often what has no measure shows that it goes on.
const TICK: Duration = Duration::from_millis(100);

impl Progress {
    /// A progress that shows nothing yet.
    pub fn new() -> Self {
        // The bar itself finds out whether standard error is a terminal.
        Progress(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()))
    }

    /// Shows how many things were read.
    pub fn reading(&self, count: usize) {
        self.style("{spinner} reading  {pos} files");
        self.0.set_position(count as u64);
    }

    /// Shows how many of the bytes are sent; all of them means that the server is at work.
    pub fn sending(&self, sent: usize, total: usize) {
        if sent >= total {
            return self.committing();
        }
        if self.0.length() != Some(total as u64) {
            self.style("sending  [{bar:40}] {bytes} of {total_bytes}");
            self.0.reset();
            self.0.set_length(total as u64);
        }
        self.0.set_position(sent as u64);
    }

    /// Shows that the commit is being made.
    pub fn committing(&self) {
        self.style("{spinner} committing");
        self.0.reset();
        self.0.enable_steady_tick(TICK);
    }

    /// Takes it off the terminal.
    pub fn finish(&self) {
        self.0.disable_steady_tick();
        self.0.finish_and_clear();
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style.progress_chars("=> "));
        }
    }
}
