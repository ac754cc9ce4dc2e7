//! What the person who holds the ceremony answers, line by line: at a terminal, or from a script.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Look whether it is done. With what a person says to it.
    Done(String),
    /// Run the command here.
    Run,
    /// Leave the step out, for this reason.
    Skip(String),
    /// Write this down.
    Note(String),
    /// Go on some other time.
    Stop,
    /// Something else: check words, or a mistake.
    Other(String),
}

impl Answer {
    fn read(line: &str) -> Self {
        let line = line.trim();
        let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim().to_owned();
        match (first.to_lowercase().as_str(), rest.is_empty()) {
            ("done", _) => Self::Done(rest),
            ("run", true) => Self::Run,
            ("skip", false) => Self::Skip(rest),
            ("note", false) => Self::Note(rest),
            ("stop", true) => Self::Stop,
            _ => Self::Other(line.to_owned()),
        }
    }
}

/// Waits for an answer. The end of the input is a stop.
pub(super) fn wait() -> io::Result<Answer> {
    if io::stdin().is_terminal() {
        let mut err = io::stderr().lock();
        let _ = write!(err, "> ").and_then(|()| err.flush());
    }
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line)? {
        0 => Ok(Answer::Stop),
        _ => Ok(Answer::read(&line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_count_and_what_people_say_is_kept_as_they_say_it() {
        assert_eq!(Answer::read("  Done  by Ann\n"), Answer::Done("by Ann".to_owned()));
        assert_eq!(Answer::read("run\n"), Answer::Run);
        assert_eq!(Answer::read("STOP"), Answer::Stop);
        assert_eq!(Answer::read("skip no traffic today"), Answer::Skip("no traffic today".to_owned()));
        for line in ["", "skip", "note", "run it", "stop now", "yes", "zoo wrong"] {
            assert_eq!(Answer::read(line), Answer::Other(line.to_owned()), "{line}");
        }
    }
}
