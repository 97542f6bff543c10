use std::fmt::Display;
use std::io::Write as _;
use std::time::Duration;

/// Tells on standard error what a command that goes on and on has to say: no result, and never a value.
pub fn say(text: impl Display) {
    let mut stderr = std::io::stderr().lock();
    // Where nobody listens, nobody misses it.
    let _ = writeln!(stderr, "confgit: {text}");
}

/// Tells that a stream of changes broke off.
pub fn say_lost(error: impl Display, pause: Duration) {
    say(format_args!("{error}; trying again in {:.1} s", pause.as_secs_f64()));
}
