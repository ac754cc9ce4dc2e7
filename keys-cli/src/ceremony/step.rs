//! A step of a ceremony: what is to be done, by which command, and how one sees that it is done. Data, that the
//! proceedings go through.

use std::{fmt, path::PathBuf, process::Stdio};

use alloy::primitives::Address;

use super::{check::Check, situation::Situation};

/// Where something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Where the ceremony runs, with a network and without the master's key.
    Here,
    /// Where a key is that never sees a network.
    Offline(&'static str),
    /// At the hosts of the seats, and by people.
    Elsewhere(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("at this machine"),
            Self::Offline(whose) => write!(f, "where {whose} key is, without a network"),
            Self::Elsewhere(place) => f.write_str(place),
        }
    }
}

/// A command of `ring-keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invocation(Vec<String>);

impl Invocation {
    pub(super) fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self(words.into_iter().map(str::to_owned).collect())
    }

    pub(super) fn and<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.extend(words.into_iter().map(str::to_owned));
        self
    }

    pub(super) fn file(mut self, option: &str, file: &std::path::Path) -> Self {
        self.0.extend([option.to_owned(), file.display().to_string()]);
        self
    }

    /// Runs it as a person would, on the same chain. Answers whether it succeeded, and what it said; what it has to ask
    /// it asks on the terminal.
    pub(super) async fn run(&self, situation: &Situation) -> std::io::Result<(bool, String)> {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        let is_person = std::io::IsTerminal::is_terminal(&std::io::stdin());
        // Nobody is there to agree, and only rehearsals sign here.
        if !is_person && self.0.first().is_some_and(|word| word == "sign") {
            command.args(&self.0).arg("--yes");
        } else {
            command.args(&self.0);
        }
        command.env("RING_RPC", &situation.rpc).stdout(Stdio::piped()).kill_on_drop(true);
        if let Some(book) = &situation.address_book {
            command.env("RING_ADDRESS_BOOK", book);
        }
        // Lines that wait on standard input are answers to the ceremony.
        if !is_person {
            command.stdin(Stdio::null());
        }
        let output = command.spawn()?.wait_with_output().await?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).trim_end().to_owned()))
    }
}

impl fmt::Display for Invocation {
    /// As a shell reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ring-keys")?;
        let is_plain = |word: &str| {
            !word.is_empty()
                && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./:,=+@%".contains(letter))
        };
        for word in &self.0 {
            match is_plain(word) {
                true => write!(f, " {word}")?,
                false => write!(f, " '{}'", word.replace('\'', r"'\''"))?,
            }
        }
        Ok(())
    }
}

/// A step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Its name in the record, the same whenever the ceremony is taken up again.
    pub(super) id: String,
    /// What it is about.
    pub(super) title: String,
    /// Where.
    pub(super) place: Place,
    /// What is to be done and looked at, line by line.
    pub(super) words: Vec<String>,
    /// The command that does it.
    pub(super) command: Option<Invocation>,
    /// How one sees that it is done.
    pub(super) check: Check,
    /// Whether it may be left out, with a reason.
    pub(super) optional: bool,
    /// What it is one of three steps of: whose files it needs.
    pub(super) action: Option<String>,
}

impl Step {
    pub(super) fn new(id: impl Into<String>, place: Place, title: impl Into<String>, check: Check) -> Self {
        let (id, title) = (id.into(), title.into());
        Self { id, title, place, words: Vec::new(), command: None, check, optional: false, action: None }
    }

    pub(super) fn say(mut self, words: impl Into<String>) -> Self {
        self.words.push(words.into());
        self
    }

    pub(super) fn by(mut self, command: Invocation) -> Self {
        self.command = Some(command);
        self
    }

    pub(super) fn or_skip(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// The three steps of an action on two machines: prepared, signed, submitted.
pub(super) struct ThreeSteps<'a> {
    /// What the names of steps and files begin with.
    pub(super) id: String,
    /// What it is about.
    pub(super) title: String,
    /// The action as `prepare` takes it.
    pub(super) action: Vec<String>,
    /// Whose key signs.
    pub(super) whose: &'static str,
    /// What `sign` has.
    pub(super) sign_with: &'a super::arguments::Options,
    /// What is so on the chain afterwards.
    pub(super) effect: super::check::Effect,
    /// Whether the signed file is kept, and not sent.
    pub(super) kept: bool,
    /// Whether a contract signs, such as a Safe.
    pub(super) by_contract: bool,
}

impl ThreeSteps<'_> {
    /// The names of the file that is prepared and of the one that is signed.
    pub(super) fn files(id: &str, situation: &Situation) -> [PathBuf; 2] {
        [format!("{id}.json"), format!("{id}.signed.json")].map(|name| situation.file(&name))
    }

    pub(super) fn into_steps(self, situation: &Situation) -> Vec<Step> {
        let Self { id, title, action, whose, sign_with, effect, kept, by_contract } = self;
        let [prepared, signed] = Self::files(&id, situation);
        let check = Check::Prepared { file: prepared.clone(), signed: signed.clone(), effect: effect.clone(), kept };
        let command = Invocation::new(["prepare"])
            .and(action.iter().map(String::as_str))
            .file("--out", &prepared)
            .and(["--contract", &situation.contract.to_string()]);
        let mut steps =
            vec![Step::new(format!("{id}-prepare"), Place::Here, format!("prepare: {title}"), check).by(command)];
        if by_contract {
            let batch = situation.file(&format!("{id}.safe.json"));
            let command = Invocation::new(["export-safe"]).file("--in", &prepared).file("--out", &batch);
            let say = "Load the file in the Transaction Builder of that Safe. Its owners compare the call data of \
                two machines, sign and \
                       execute there.";
            let step = Step::new(
                format!("{id}-execute"),
                Place::Here,
                format!("the Safe executes: {title}"),
                Check::Chain(effect),
            );
            steps.push(step.say(say).by(command));
            return of_action(steps, &id);
        }
        let check = Check::Signed { file: signed.clone(), effect: effect.clone(), kept };
        let command = Invocation::new(["sign"]).file("--in", &prepared).file("--out", &signed).and(sign_with.words());
        let say = format!(
            "Take {} there, by a stick or by `ring-keys qr show`, read what `sign` shows, compare the fingerprint \
             aloud, and bring {} back.",
            prepared.display(),
            signed.display()
        );
        let step = Step::new(format!("{id}-sign"), Place::Offline(whose), format!("sign: {title}"), check);
        steps.push(step.say(say).by(command));
        if !kept {
            let command = Invocation::new(["submit"]).file("--in", &signed).and(situation.how.pay_with.words());
            let step = Step::new(format!("{id}-submit"), Place::Here, format!("submit: {title}"), Check::Chain(effect));
            steps.push(step.by(command));
        }
        of_action(steps, &id)
    }
}

fn of_action(steps: Vec<Step>, id: &str) -> Vec<Step> {
    steps.into_iter().map(|step| Step { action: Some(id.to_owned()), ..step }).collect()
}

/// A key whose check words somebody reads out, so that the address is that of a key which is there.
pub(super) fn key(id: String, place: Place, whose: &str, address: Address) -> Step {
    Step::new(id, place, format!("the key of {whose}: {address}"), Check::ReadOut(address)).say(
        "Have the check words read out that `ring-keys address` prints there (or `new`, `paper check`), and \
            type them here.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_written_as_a_shell_reads_it() {
        let command = Invocation::new(["prepare", "permit", "--call", "store(uint256 it's)", "--bare", ""]);
        assert_eq!(command.to_string(), r"ring-keys prepare permit --call 'store(uint256 it'\''s)' --bare ''");
    }
}
