/// Why a write was refused: the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// What it speaks of does not exist: an environment, a path, a version, a point in history.
    NotFound,
    /// Its precondition does not hold.
    Precondition,
    /// It asks for what no configuration can be.
    Invalid,
    /// It does not fit what is there.
    Conflict,
    /// It would bring problems that were not there before.
    Problems,
    /// It is over a limit.
    TooLarge,
    /// Too many writes wait.
    Busy,
    /// Writes are not possible at present.
    Unavailable,
    /// The repository or derived data could not be read.
    Failed,
    /// The account may not do this.
    Forbidden,
}

impl Refusal {
    /// All of them, in the order of their numbers.
    pub const ALL: [Refusal; 10] = [
        Refusal::NotFound,
        Refusal::Precondition,
        Refusal::Invalid,
        Refusal::Conflict,
        Refusal::Problems,
        Refusal::TooLarge,
        Refusal::Busy,
        Refusal::Unavailable,
        Refusal::Failed,
        Refusal::Forbidden,
    ];

    /// The reason as metrics show it.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::NotFound => "not-found",
            Refusal::Precondition => "precondition",
            Refusal::Invalid => "invalid",
            Refusal::Conflict => "conflict",
            Refusal::Problems => "problems",
            Refusal::TooLarge => "too-large",
            Refusal::Busy => "busy",
            Refusal::Unavailable => "unavailable",
            Refusal::Failed => "failed",
            Refusal::Forbidden => "forbidden",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_at_their_numbers() {
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index, "{}", refusal.name());
        }
    }
}
