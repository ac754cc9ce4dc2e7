//! How a ceremony is held: from the first step that is not done to the last.

use std::path::PathBuf;

use alloy::{primitives::B256, providers::Provider as _, rpc::types::Filter};
use serde::Serialize;

use super::{
    CeremonyCommand, CeremonyError,
    answer::{self, Answer},
    arguments::ProceedingArgs,
    check::{Check, Finding},
    compromise_drill::CompromiseDrill,
    first_deployment::FirstDeployment,
    master_lost::MasterLost,
    minutes::{BLOCK, Line, Minutes},
    situation::Situation,
    step::{Invocation, Place, Step},
};
use crate::{address_book::AddressBook, cli::GlobalArgs, error::Error, output::tell, rpc::Connection};

/// One of the ceremonies.
enum Ceremony {
    FirstDeployment(Box<FirstDeployment>),
    CompromiseDrill(CompromiseDrill),
    MasterLost(MasterLost),
}

impl Ceremony {
    fn name(&self) -> &'static str {
        match self {
            Self::FirstDeployment(_) => "first-deployment",
            Self::CompromiseDrill(_) => "compromise-drill",
            Self::MasterLost(_) => "master-lost",
        }
    }

    /// What it is about: the same as long as it lasts.
    fn subject(&self, situation: &Situation) -> Vec<Line> {
        let rehearsal = if situation.how.rehearsal { "yes: nothing of this is real" } else { "no" };
        let mut lines = vec![
            ("chain", situation.connection.chain_id().to_string()),
            ("contract", situation.contract.to_string()),
            ("rehearsal", rehearsal.to_owned()),
        ];
        lines.extend(match self {
            Self::FirstDeployment(it) => it.subject(),
            Self::CompromiseDrill(it) => it.subject(),
            Self::MasterLost(it) => it.subject(),
        });
        lines
    }

    /// How things are before it begins, as far as its steps have to know it later.
    async fn baseline(&self, situation: &Situation) -> Result<Vec<Line>, Error> {
        match self {
            Self::FirstDeployment(_) => Ok(Vec::new()),
            Self::CompromiseDrill(it) => it.baseline(situation).await,
            Self::MasterLost(it) => it.baseline(situation).await,
        }
    }

    async fn steps(&self, situation: &Situation, minutes: &Minutes) -> Result<Vec<Step>, Error> {
        match self {
            Self::FirstDeployment(it) => it.steps(situation).await,
            Self::CompromiseDrill(it) => it.steps(situation, minutes).await,
            Self::MasterLost(it) => it.steps(situation, minutes).await,
        }
    }
}

/// A ceremony that came to its end, or its agenda.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    ceremony: &'static str,
    record: PathBuf,
    ended: bool,
    steps: Vec<HeldStep>,
}

/// How a step ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HeldStep {
    id: String,
    title: String,
    /// `done`, `skipped` or `left`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

impl Held {
    /// For people.
    pub fn in_words(&self) -> String {
        let mut lines: Vec<String> = self
            .steps
            .iter()
            .map(|step| format!("{:<8} {:<24} {}", step.state, step.at.as_deref().unwrap_or_default(), step.title))
            .collect();
        let record = self.record.display();
        lines.push(match self.ended {
            true => format!("the ceremony {} is at its end; sign and file {record}", self.ceremony),
            false => format!("the ceremony {} is not at its end; {record} holds what was done", self.ceremony),
        });
        lines.join("\n")
    }
}

/// Holds a ceremony, from where its record says that it is.
///
/// # Errors
/// It was stopped; it cannot be held with this record, here; or the chain cannot be asked, which the same command makes
/// good.
pub async fn hold(command: CeremonyCommand, connection: Connection, global: &GlobalArgs) -> Result<Held, Error> {
    let (ceremony, how) = match command {
        CeremonyCommand::FirstDeployment(args) => {
            (Ceremony::FirstDeployment(Box::new(FirstDeployment::read(&args, &connection).await?)), args.how)
        }
        CeremonyCommand::CompromiseDrill(args) => (Ceremony::CompromiseDrill(CompromiseDrill::new(&args)?), args.how),
        CeremonyCommand::MasterLost(args) => (Ceremony::MasterLost(MasterLost::new(&args)), args.how),
    };
    let contract = match &ceremony {
        Ceremony::FirstDeployment(it) => it.contract(),
        _ => crate::run::contract(global)?,
    };
    let situation = Situation {
        connection,
        rpc: global.rpc.clone().unwrap_or_default(),
        address_book: global.address_book.clone(),
        contract,
        how,
    };
    situation.check_rehearsal().await?;
    Proceedings::open(ceremony, situation, global).await?.hold().await
}

struct Proceedings {
    ceremony: Ceremony,
    situation: Situation,
    minutes: Minutes,
    book: AddressBook,
    /// The last block whose events of the contract are in the record.
    block: u64,
}

impl Proceedings {
    async fn open(ceremony: Ceremony, situation: Situation, global: &GlobalArgs) -> Result<Self, Error> {
        let book = AddressBook::read(global.address_book.as_deref())?;
        let block = situation.connection.block_number().await?;
        let subject = ceremony.subject(&situation);
        // Before there is a record: what cannot begin leaves none.
        let is_new = !situation.how.record.exists();
        let mut baseline = if is_new { ceremony.baseline(&situation).await? } else { Vec::new() };
        let ProceedingArgs { present, record, agenda, .. } = &situation.how;
        let mut minutes = Minutes::open(record, ceremony.name(), !agenda)?;
        if minutes.has_begun() {
            minutes.check_subject(&subject)?;
            if !minutes.has_ended {
                minutes.add("taken up again", &format!("present         {}", present.join(", ")))?;
            }
        } else {
            if !is_new {
                baseline = ceremony.baseline(&situation).await?;
            }
            let mut lines = subject;
            lines.extend(baseline);
            lines.push((BLOCK, block.to_string()));
            lines.push(("present", present.join(", ")));
            minutes.begin(&lines)?;
        }
        let block = minutes.block.unwrap_or(block);
        Ok(Self { ceremony, situation, minutes, book, block })
    }

    async fn hold(mut self) -> Result<Held, Error> {
        // What a step says may follow from what was done before it, so the list is made anew each time.
        loop {
            let steps = self.ceremony.steps(&self.situation, &self.minutes).await?;
            if self.situation.how.agenda {
                for step in steps.iter().filter(|step| self.minutes.ending(&step.id).is_none()) {
                    self.show(step);
                }
                return Ok(self.held(&steps));
            }
            let left = steps.iter().find(|step| self.minutes.ending(&step.id).is_none());
            let Some(step) = left.filter(|_| !self.minutes.has_ended) else {
                let is_news = !std::mem::replace(&mut self.minutes.has_ended, true);
                let held = self.held(&steps);
                if is_news {
                    self.minutes.add("at its end", &held.in_words())?;
                }
                return Ok(held);
            };
            match self.spoilt(&steps, step).await? {
                Some((step, reason)) => {
                    tell(self.book.annotate(&format!("once more, since {reason}")));
                    self.take(step).await?;
                }
                None => self.take(step).await?,
            }
        }
    }

    /// A step of the same action that was done, and whose file is of no use any more: it is gone, too old, or something
    /// else happened meanwhile.
    async fn spoilt<'a>(&self, steps: &'a [Step], next: &Step) -> Result<Option<(&'a Step, String)>, Error> {
        let earlier = steps.iter().take_while(|step| step.id != next.id);
        for step in earlier.filter(|step| next.action.is_some() && step.action == next.action) {
            if let Finding::Missing(reason) = step.check.look(&self.situation, "").await? {
                return Ok(Some((step, reason)));
            }
        }
        Ok(None)
    }

    fn held(&self, steps: &[Step]) -> Held {
        let step = |step: &Step| {
            let ending = self.minutes.ending(&step.id);
            let state = match ending {
                None => "left",
                Some(ending) if ending.skipped => "skipped",
                Some(_) => "done",
            };
            HeldStep {
                id: step.id.clone(),
                title: step.title.clone(),
                state,
                at: ending.map(|ending| ending.at.clone()),
            }
        };
        let steps: Vec<HeldStep> = steps.iter().map(step).collect();
        Held {
            ceremony: self.ceremony.name(),
            record: self.situation.how.record.clone(),
            ended: self.minutes.has_ended,
            steps,
        }
    }

    /// Goes through one step, until it is done or somebody stops.
    async fn take(&mut self, step: &Step) -> Result<(), Error> {
        if !step.check.asks()
            && let Finding::Done(evidence) = step.check.look(&self.situation, "").await?
        {
            tell(self.book.annotate(&format!("done already: {}", step.title)));
            return self.end(step, &evidence, "").await;
        }
        self.show(step);
        loop {
            let said = match answer::wait()? {
                Answer::Stop => return Err(CeremonyError::Stopped { step: step.title.clone() }.into()),
                Answer::Note(text) => {
                    self.minutes.add(&format!("note at step {}", step.id), &text)?;
                    continue;
                }
                Answer::Skip(reason) if step.optional => {
                    return self.minutes.end_step(&step.id, true, &format!("{}\nbecause         {reason}", step.title));
                }
                Answer::Skip(_) => {
                    tell("this step cannot be left out");
                    continue;
                }
                Answer::Run => match self.runnable(step) {
                    Some(command) => {
                        self.run(step, &command).await?;
                        String::new()
                    }
                    None => {
                        tell(format_args!("this is not done here, but {}: answer `done` when it is", step.place));
                        continue;
                    }
                },
                Answer::Done(_) if matches!(step.check, Check::ReadOut(_)) => {
                    tell("type the two check words that were read out");
                    continue;
                }
                Answer::Done(said) => said,
                Answer::Other(said) if matches!(step.check, Check::ReadOut(_)) => said,
                Answer::Other(_) => {
                    tell(self.answers(step));
                    continue;
                }
            };
            match step.check.look(&self.situation, &said).await? {
                Finding::Done(evidence) => return self.end(step, &evidence, &said).await,
                Finding::Missing(reason) => {
                    tell(self.book.annotate(&format!("not done: {reason}")));
                    self.minutes.add(&format!("step {} looked for", step.id), &format!("not done: {reason}"))?;
                }
            }
        }
    }

    fn show(&self, step: &Step) {
        let mut lines = vec![format!("\n── {}, {}", step.title, step.place)];
        lines.extend(step.words.iter().map(|line| format!("   {line}")));
        if let Some(command) = &step.command {
            lines.push(format!("\n     {command}\n"));
        }
        lines.push(format!("   {}", self.answers(step)));
        tell(self.book.annotate(&lines.join("\n")));
    }

    fn answers(&self, step: &Step) -> String {
        let mut answers = match step.check {
            Check::ReadOut(_) => vec!["the two check words"],
            Check::Said => vec!["`done`, with what is to be written down"],
            _ => vec!["`done` to look whether it is"],
        };
        if self.runnable(step).is_some() {
            answers.push("`run` to run it here");
        }
        if step.optional {
            answers.push("`skip REASON`");
        }
        answers.extend(["`note TEXT`", "`stop`"]);
        format!("Answer {}.", answers.join(", "))
    }

    /// What may be run at this machine. In a rehearsal all machines are this one.
    fn runnable(&self, step: &Step) -> Option<Invocation> {
        step.command.clone().filter(|_| step.place == Place::Here || self.situation.how.rehearsal)
    }

    async fn run(&mut self, step: &Step, command: &Invocation) -> Result<(), Error> {
        self.minutes.add(&format!("step {} run", step.id), &command.to_string())?;
        let (succeeded, said) = command.run(&self.situation).await?;
        tell(&said);
        let how = if succeeded { "ran" } else { "failed" };
        self.minutes.add(&format!("step {} {how}", step.id), &said)?;
        Ok(())
    }

    /// Writes down that a step is done: what shows it, what was said, and the contract's transactions since the last
    /// one.
    async fn end(&mut self, step: &Step, evidence: &str, said: &str) -> Result<(), Error> {
        let mut lines = vec![step.title.clone(), format!("place           {}", step.place)];
        let how = if matches!(step.check, Check::Said) { "said " } else { "found" };
        lines.extend(Some(evidence).filter(|text| !text.is_empty()).map(|text| format!("{how}           {text}")));
        if !step.check.asks() && !said.is_empty() {
            lines.push(format!("said            {said}"));
        }
        lines.extend(self.new_transactions().await?);
        self.minutes.end_step(&step.id, false, &self.book.annotate(&lines.join("\n")))
    }

    async fn new_transactions(&mut self) -> Result<Vec<String>, Error> {
        let (from, to) = (self.block + 1, self.situation.connection.block_number().await?);
        if to < from {
            return Ok(Vec::new());
        }
        let filter = Filter::new().address(self.situation.contract).from_block(from).to_block(to);
        // Some RPCs serve no logs. What they would say is a help for the reader, and nothing rests on it.
        let Ok(logs) = self.situation.connection.provider().get_logs(&filter).await else { return Ok(Vec::new()) };
        self.block = to;
        let mut transactions: Vec<(B256, u64)> =
            logs.iter().filter_map(|log| Some((log.transaction_hash?, log.block_number?))).collect();
        transactions.dedup();
        let lines = transactions.iter().map(|(hash, block)| format!("transaction     {hash} in block {block}"));
        Ok(lines.chain([format!("{BLOCK:<14}  {to}")]).collect())
    }
}
