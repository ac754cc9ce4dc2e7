//! What is seen while it is measured: a line for each thing that is done, and how far it is.

use std::{
    fmt::Display,
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where progress is shown. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Show {
    start: Instant,
    bar: ProgressBar,
}

impl Show {
    /// On standard error; a bar only if that is a terminal.
    pub(crate) fn new() -> Self {
        let bar = match std::io::stderr().is_terminal() {
            true => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8)),
            false => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template("{elapsed:>5}  {msg} {wide_bar} {pos}/{len}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { start: Instant::now(), bar }
    }

    /// How long it has been there.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Tells what has just been done.
    pub(crate) fn say(&self, text: impl Display) {
        self.bar.suspend(|| eprintln!("{:>4} s  {text}", self.start.elapsed().as_secs()));
    }

    /// Begins something that takes so many steps.
    pub(crate) fn begin(&self, what: impl Display, steps: usize) {
        self.bar.reset();
        self.bar.set_length(steps as u64);
        self.bar.set_message(what.to_string());
    }

    /// So many steps are done.
    pub(crate) fn at(&self, steps: usize) {
        self.bar.set_position(steps as u64);
    }

    /// One more step is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
