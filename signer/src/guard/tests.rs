use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const TODAY: Day = Day(20_000);
const TOKEN: Address = Address::repeat_byte(0xaa);

fn owner() -> Owner {
    Owner {
        domain: Domain { chain_id: 1, contract: Address::repeat_byte(1) },
        ring: 7,
        address: Address::repeat_byte(2),
    }
}

fn new() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    Guard::create(&path, &owner()).unwrap();
    (folder, path)
}

fn open(path: &Path) -> Guard {
    Guard::open(path, owner(), false).unwrap()
}

fn id(epoch: u32, nonce: u64) -> TurnId {
    TurnId { ring: 7, epoch, nonce, valid_until: 1 }
}

fn digest(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn spending(amount: u64, cap: u64) -> [Spending; 1] {
    [Spending { asset: TOKEN, amount: U256::from(amount), cap: Some(U256::from(cap)) }]
}

#[test]
fn a_turn_has_one_content_and_besides_it_only_the_void() {
    let (_folder, path) = new();
    for _ in 0..2 {
        let mut guard = open(&path);
        for _ in 0..2 {
            guard.note(id(1, 5), digest(1), TODAY, &[]).unwrap();
            let twice = guard.note(id(1, 5), digest(2), TODAY, &[]).unwrap_err();
            assert!(matches!(twice, NotSigned::Twice { digest: signed, .. } if signed == digest(1)), "{twice}");
        }
        guard.note(id(2, 5), digest(2), TODAY, &[]).unwrap();
        guard.note_void(id(1, 5)).unwrap();
        guard.note_void(id(1, 6)).unwrap();
        let after = guard.note(id(1, 6), digest(1), TODAY, &[]).unwrap_err();
        assert!(matches!(after, NotSigned::AfterVoid { nonce: 6, .. }), "{after}");
        guard.note(id(1, 5), digest(1), TODAY, &[]).unwrap();
    }
}

#[test]
fn what_is_older_than_what_is_kept_is_refused_for_ever() {
    let (_folder, path) = new();
    let mut guard = open(&path);
    let last = 2 * KEPT as u64;
    for nonce in (0..last).step_by(2) {
        guard.note(id(3, nonce), digest(nonce), TODAY, &[]).unwrap();
    }
    guard.note(id(3, 1), digest(1), TODAY, &[]).unwrap();
    drop(guard);
    for _ in 0..2 {
        let mut guard = open(&path);
        // 0 and 1 are the oldest two: one of them is one too many.
        assert!(matches!(guard.note(id(3, 0), digest(9), TODAY, &[]), Err(NotSigned::TooOld { floor: (3, 1), .. })));
        assert!(matches!(guard.note_void(id(2, u64::from(u32::MAX))), Err(NotSigned::TooOld { .. })));
        assert!(matches!(guard.note(id(3, 1), digest(9), TODAY, &[]), Err(NotSigned::Twice { .. })));
    }
}

#[test]
fn a_file_that_has_grown_is_shortened_and_says_the_same() {
    let (_folder, path) = new();
    let mut guard = open(&path);
    for nonce in 0..5 * KEPT as u64 {
        guard.note(id(1, nonce), digest(nonce), TODAY, &spending(1, u64::MAX)).unwrap();
    }
    let lines = fs::read_to_string(&path).unwrap().lines().count();
    assert!(lines <= MOST_LINES + 2, "{lines} lines");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (memory, there) = (format!("{:?}", guard.memory), guard.lines);
    drop(guard);
    let mut guard = open(&path);
    assert_eq!((format!("{:?}", guard.memory), guard.lines), (memory, there));
    let sum = 5 * KEPT as u64;
    let over = guard.note(id(1, sum), digest(0), TODAY, &spending(1, sum)).unwrap_err();
    assert!(matches!(over, NotSigned::OverBudget { spent, .. } if spent == U256::from(sum)), "{over}");
}

#[test]
fn a_budget_is_of_a_day_and_outlives_a_restart() {
    let (_folder, path) = new();
    open(&path).note(id(1, 0), digest(0), TODAY, &spending(60, 100)).unwrap();
    let mut guard = open(&path);
    guard.note(id(1, 0), digest(0), TODAY, &spending(60, 100)).unwrap();
    assert!(matches!(guard.note(id(1, 1), digest(1), TODAY, &spending(41, 100)), Err(NotSigned::OverBudget { .. })));
    assert_eq!(guard.signed(id(1, 1)), Signed::default(), "what is refused leaves nothing");
    guard.note(id(1, 1), digest(2), TODAY, &spending(40, 100)).unwrap();
    guard.note(id(1, 2), digest(3), Day(TODAY.0 + 1), &spending(100, 100)).unwrap();
    let back = guard.note(id(1, 3), digest(4), TODAY, &spending(1, 100));
    assert!(matches!(back, Err(NotSigned::OverBudget { .. })), "a clock that is set back finds the day as it was");
}

#[test]
fn while_one_has_it_no_other_has() {
    let (_folder, path) = new();
    let mut guard = open(&path);
    assert!(matches!(Guard::open(&path, owner(), false), Err(GuardError::InUse(_))));
    let other = path.clone();
    let waiting = std::thread::spawn(move || Guard::open(&other, owner(), true).unwrap().signed(id(1, 0)));
    guard.note(id(1, 0), digest(0), TODAY, &[]).unwrap();
    // Another file is there from now on: whoever waited for the old one has to see this one.
    guard.shorten().unwrap();
    drop(guard);
    assert_eq!(waiting.join().unwrap().content, Some(digest(0)));
}

#[test]
fn a_guard_that_is_missing_foreign_or_changed_stops_the_signer() {
    let (folder, path) = new();
    let nowhere = folder.path().join("nowhere");
    assert!(matches!(Guard::open(&nowhere, owner(), false), Err(GuardError::Missing(_))));
    assert!(matches!(Guard::create(&path, &owner()), Err(GuardError::File { .. })), "there is one");
    let other = Owner { ring: 8, ..owner() };
    assert!(matches!(Guard::open(&path, other, false), Err(GuardError::Foreign { .. })));

    let mut guard = open(&path);
    for nonce in 0..3 {
        guard.note(id(1, nonce), digest(nonce), TODAY, &[]).unwrap();
    }
    drop(guard);
    let text = fs::read_to_string(&path).unwrap();
    let without_a_line: String =
        text.split_inclusive('\n').enumerate().filter(|(n, _)| *n != 2).map(|(_, l)| l).collect();
    for changed in [text.replace("signed 1 1 ", "signed 1 9 "), without_a_line, String::new(), "nonsense\n".to_owned()]
    {
        fs::write(&path, changed).unwrap();
        assert!(matches!(Guard::open(&path, owner(), false), Err(GuardError::Damaged { .. })));
    }
    fs::write(&path, text).unwrap();
    assert_eq!(open(&path).signed(id(1, 2)).content, Some(digest(2)));
}

#[test]
fn a_line_that_was_not_finished_was_never_signed_for_and_any_other_loss_is_noticed() {
    let (_folder, path) = new();
    let mut guard = open(&path);
    guard.note(id(1, 0), digest(0), TODAY, &[]).unwrap();
    let before = fs::read(&path).unwrap();
    guard.note(id(1, 1), digest(1), TODAY, &[]).unwrap();
    drop(guard);
    let whole = fs::read(&path).unwrap();
    for length in before.len()..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let mut guard = open(&path);
        assert_eq!((guard.signed(id(1, 0)).content, guard.signed(id(1, 1)).content), (Some(digest(0)), None));
        guard.note(id(1, 1), digest(2), TODAY, &[]).unwrap();
        drop(guard);
        assert_eq!(open(&path).signed(id(1, 1)).content, Some(digest(2)));
    }
}

#[test]
fn after_a_disk_that_did_not_take_it_nothing_new_is_signed() {
    let (_folder, path) = new();
    let mut guard = open(&path);
    guard.note(id(1, 0), digest(0), TODAY, &[]).unwrap();
    // A file that is open for reading only takes nothing.
    guard.file = File::open(&path).unwrap();
    assert!(matches!(guard.note(id(1, 1), digest(1), TODAY, &[]), Err(NotSigned::Disk { .. })));
    guard.file = OpenOptions::new().append(true).open(&path).unwrap();
    assert!(matches!(guard.note(id(1, 1), digest(1), TODAY, &[]), Err(NotSigned::Untrusted)));
    guard.note(id(1, 0), digest(0), TODAY, &[]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against a memory without end: whatever is asked for, with restarts in between, no turn ever gets two contents.
    #[test]
    fn no_turn_ever_gets_two_contents(asked in prop::collection::vec((0..3u32, 0..8u64, 0..3u64, any::<bool>(), any::<bool>()), 1..60)) {
        let (_folder, path) = new();
        let mut guard = Some(open(&path));
        let mut contents = BTreeMap::new();
        let mut voided = std::collections::BTreeSet::new();
        for (epoch, nonce, content, is_void, restarts) in asked {
            if restarts {
                drop(guard.take());
            }
            let guard = guard.get_or_insert_with(|| open(&path));
            let place = (epoch, nonce);
            if is_void {
                guard.note_void(id(epoch, nonce)).unwrap();
                voided.insert(place);
            } else {
                let is_noted = guard.note(id(epoch, nonce), digest(content), TODAY, &[]).is_ok();
                let before = contents.get(&place).copied();
                prop_assert_eq!(is_noted, before.map_or(!voided.contains(&place), |before| before == content));
                if is_noted {
                    contents.insert(place, content);
                }
            }
        }
    }
}
