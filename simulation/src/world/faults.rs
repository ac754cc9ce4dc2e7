//! Faults that come by themselves, again and again until it is calm.

use super::{World, happening::Happening, plan::Fault};
use crate::disk::{self, Trouble};

impl World {
    /// How often a fault comes at full strength: so many times in a thousand blocks. `None`: it does not come by itself.
    fn frequency(fault: Fault) -> Option<u64> {
        match fault {
            Fault::Replay => Some(1_000),
            Fault::Partition => Some(60),
            Fault::Kill => Some(150),
            Fault::PowerCut => Some(100),
            Fault::Disk => Some(100),
            Fault::Reorg => Some(150),
            Fault::DeepReorg => Some(40),
            Fault::Clock => Some(60),
            Fault::Theft => Some(400),
            Fault::Change => Some(40),
            Fault::Rotation => Some(60),
            _ => None,
        }
    }

    /// Says when a fault comes next, if it does.
    pub(super) fn plan_fault(&mut self, fault: Fault) {
        let (strength, Some(frequency)) = (self.strength(fault), Self::frequency(fault)) else { return };
        if strength == 0 {
            return;
        }
        let mean = self.plan.block_seconds * 1_000 * 1_000 * 100 / (frequency * strength);
        let pause = mean / 4 + self.random(fault).below(mean * 3 / 2 + 1);
        self.queue.add(self.now + pause.max(50), Happening::Fault(fault));
    }

    /// A fault comes.
    pub(super) fn fault(&mut self, fault: Fault) {
        if self.strength(fault) == 0 {
            return;
        }
        let seats = self.seats.len();
        let seat = self.random(fault).index(seats);
        match fault {
            Fault::Replay => self.replay(),
            Fault::Partition => self.divide(),
            Fault::Kill if self.seats[seat].process.is_some() => {
                self.note(|| format!("seat {seat} is killed"));
                self.counts.fault("kill");
                self.kill(seat);
                self.start_later(seat);
            }
            Fault::PowerCut if self.seats[seat].process.is_some() => {
                self.note(|| format!("seat {seat} loses its power"));
                self.counts.fault("power cut");
                self.cut_power(seat);
                self.start_later(seat);
            }
            Fault::Disk => self.upset(seat),
            Fault::Reorg => {
                let most = self.chain.not_final().min(self.plan.depth);
                if most > 0 {
                    let blocks = self.random(fault).between(1, most);
                    self.counts.fault("reorg");
                    self.reorganise(blocks, fault);
                }
            }
            Fault::DeepReorg => self.break_finality(),
            Fault::Clock => {
                let rate = *self.random(fault).choose(&[200, 500, 1_000, 3_000, 10_000]).unwrap_or(&1_000);
                self.counts.fault("clock changed its pace");
                self.seats[seat].rate = rate;
            }
            Fault::Theft => self.steal(),
            Fault::Change => self.change(),
            Fault::Rotation => self.rotate(),
            _ => {}
        }
        self.plan_fault(fault);
    }

    fn divide(&mut self) {
        let seats = self.seats.len();
        let random = self.random(Fault::Partition);
        let side = (0..seats).map(|_| random.chance(400)).collect();
        let until = self.plan.block_seconds * 1_000 * self.random(Fault::Partition).between(1, 15);
        self.note(|| format!("the network is divided: {side:?}"));
        self.counts.fault("partition");
        self.partition = Some(side);
        self.queue.add(self.now + until, Happening::Heal);
    }

    fn upset(&mut self, seat: usize) {
        let random = self.random(Fault::Disk);
        let trouble = *random
            .choose(&[Trouble::Full, Trouble::ReadOnly, Trouble::WriteFails, Trouble::SyncFails])
            .unwrap_or(&Trouble::Full);
        let after = random.below(60);
        let until = random.between(1, 10) * self.plan.block_seconds * 1_000;
        self.note(|| format!("the disk of seat {seat} is {trouble:?} after {after} more operations"));
        self.counts.fault(match trouble {
            Trouble::Full => "disk full",
            Trouble::ReadOnly => "disk read-only",
            Trouble::WriteFails => "write error",
            Trouble::SyncFails => "sync error",
            Trouble::Stopped => "machine stopped",
        });
        disk::with(self.seats[seat].disk, |disk| disk.upset(after, trouble));
        self.queue.add(self.now + until, Happening::Mend { seat });
    }

    /// A seat's disk is well again.
    pub(super) fn mend(&mut self, seat: usize) {
        disk::with(self.seats[seat].disk, disk::Disk::mend);
    }

    fn break_finality(&mut self) {
        let (not_final, head) = (self.chain.not_final(), self.chain.head().block.number);
        let deeper = self.random(Fault::DeepReorg).between(1, 5);
        let blocks = (not_final + deeper).min(head);
        // As long as no final turn is taken back, nobody need notice.
        let fork = self.chain.at(head - blocks);
        self.finals_replaced = true;
        self.finality_broken |= fork.nonce() < self.chain.finalized().nonce();
        self.counts.fault("deep reorg");
        self.reorganise(blocks, Fault::DeepReorg);
    }
}
