//! What is printed: results on standard output, for people or as JSON; everything else on standard error.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde::Serialize;

/// In which form results are printed.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON instead of text.
    pub json: bool,
}

impl Output {
    /// Prints a result: one text for people, one value for machines.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn result(self, text: impl Display, value: &impl Serialize) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, value)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{text}")?;
        }
        out.flush()
    }
}

/// Tells the person at the terminal something that is not the result. A closed standard error is no reason to stop.
pub fn tell(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
