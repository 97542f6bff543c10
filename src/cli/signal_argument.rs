use std::str::FromStr;

use rustix::process::Signal;

/// A signal as people name it: `HUP`, `SIGHUP`, `hup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalArgument(pub Signal);

/// Those that a program may be told by.
const SIGNALS: [(&str, Signal); 6] = [
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("TERM", Signal::TERM),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
];

impl FromStr for SignalArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        let found = SIGNALS.iter().find(|(known, _)| *known == name);
        found.map(|(_, signal)| SignalArgument(*signal)).ok_or_else(|| {
            let known: Vec<&str> = SIGNALS.iter().map(|(name, _)| *name).collect();
            format!("`{text}` is no signal for this; there are: {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_named_as_people_do() {
        for text in ["HUP", "SIGHUP", "hup", "sighup"] {
            assert_eq!(text.parse(), Ok(SignalArgument(Signal::HUP)));
        }
        for text in ["", "SIG", "KILL", "1"] {
            assert!(text.parse::<SignalArgument>().is_err(), "{text}");
        }
    }
}
