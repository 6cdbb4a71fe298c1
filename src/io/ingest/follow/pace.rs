use std::time::Duration;

/// How often a follower looks.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// At what is there.
    pub look: Duration,
    /// For new files that match a pattern.
    pub scan: Duration,
    /// How long a file that was rotated away must have had nothing new to be let go.
    pub linger: Duration,
    /// The same, of one in whose place no other came.
    pub forget: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            look: Duration::from_millis(20),
            scan: Duration::from_millis(250),
            linger: Duration::from_secs(5),
            forget: Duration::from_secs(3600),
        }
    }
}
