//! Whatever is written into a configuration: never a panic, and what is wrong is said with the field that it is about.

use std::sync::LazyLock;

use proptest::{
    prelude::*,
    sample::{Index, select},
};
use toml::{Table, Value};

use super::*;

const SHIPPED: [&str; 5] = [
    include_str!("../../../../docs/relayer.example.toml"),
    include_str!("../../../../docs/config/ethereum.toml"),
    include_str!("../../../../docs/config/op-stack.toml"),
    include_str!("../../../../docs/config/polygon.toml"),
    include_str!("../../../../docs/config/anvil.toml"),
];

static FOLDER: LazyLock<TempDir> = LazyLock::new(folder_of_shipped);

/// Loads it from a file of its own beside everything that it names.
fn load_beside(name: &str, text: &str) -> Result<Config, ConfigError> {
    let file = FOLDER.path().join(name);
    std::fs::write(&file, text).unwrap();
    Config::load_with(&file, [])
}

/// Values that make no sense in most places.
fn odd() -> impl Strategy<Value = Value> {
    let words =
        ["", " ", "0x", "-1", "1e21", "never", "finalized", "0.0.0.0:0", "https://", "ws://[", "\u{0}", "../../.."];
    let huge = ["340282366920938463463374607431768211456", "18446744073709551616", "79228162514264337593543950336"];
    prop_oneof![
        select(vec![i64::MIN, -1, 0, 1, 255, 256, 1 << 32, 1 << 40, i64::MAX]).prop_map(Value::Integer),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Float),
        any::<bool>().prop_map(Value::Boolean),
        select(words.to_vec()).prop_map(|word| Value::String(word.to_owned())),
        select(huge.to_vec()).prop_map(|number| Value::String(number.to_owned())),
        "0x[0-9a-fA-F]{0,64}".prop_map(Value::String),
        "[0-9]{1,80}".prop_map(Value::String),
        ".{0,12}".prop_map(Value::String),
        Just(Value::Array(Vec::new())),
        Just(Value::Table(Table::new())),
        prop::collection::vec("[ -~]{0,6}".prop_map(Value::String), 1..4).prop_map(Value::Array),
        (1usize..60).prop_map(|depth| (0..depth).fold(Value::Integer(1), |inner, _| Value::Array(vec![inner]))),
    ]
}

/// What is done to one value.
#[derive(Clone, Debug)]
enum Change {
    Replace(Value),
    Remove,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![4 => odd().prop_map(Change::Replace), 1 => Just(Change::Remove)]
}

/// A step on the way to a value.
#[derive(Clone, Debug)]
enum Step {
    Field(String),
    Item(usize),
}

/// The ways to all values but the whole.
fn ways(value: &Value, way: &[Step], found: &mut Vec<Vec<Step>>) {
    let inner: Vec<(Step, &Value)> = match value {
        Value::Table(fields) => fields.iter().map(|(name, field)| (Step::Field(name.clone()), field)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (Step::Item(index), item)).collect(),
        _ => Vec::new(),
    };
    for (step, inner) in inner {
        let way = [way, &[step]].concat();
        found.push(way.clone());
        ways(inner, &way, found);
    }
}

fn apply(value: &mut Value, way: &[Step], change: Change) {
    match (way, value, change) {
        ([Step::Field(name)], Value::Table(fields), Change::Remove) => drop(fields.remove(name)),
        ([Step::Field(name)], Value::Table(fields), Change::Replace(odd)) => drop(fields.insert(name.clone(), odd)),
        ([Step::Item(index)], Value::Array(items), Change::Remove) => drop(items.remove(*index)),
        ([Step::Item(index)], Value::Array(items), Change::Replace(odd)) => items[*index] = odd,
        ([Step::Field(name), rest @ ..], Value::Table(fields), change) => apply(&mut fields[name], rest, change),
        ([Step::Item(index), rest @ ..], Value::Array(items), change) => apply(&mut items[*index], rest, change),
        (way, value, _) => panic!("{way:?} does not lead into {value}"),
    }
}

/// Says what is wrong, and names a field of the configuration with each of it.
fn check_refusal(error: &ConfigError) -> Result<(), TestCaseError> {
    match error {
        ConfigError::Values { problems, .. } => {
            prop_assert!(!problems.is_empty(), "nothing is said");
            for problem in problems {
                let section = problem.field.split(['.', '[']).next().unwrap_or_default();
                prop_assert!(
                    SECTIONS.contains(&section) && !problem.reason.is_empty(),
                    "{:?} is no field: {}",
                    problem.field,
                    problem.reason
                );
            }
        }
        ConfigError::Shape { reason, .. } => prop_assert!(!reason.is_empty()),
    }
    Ok(())
}

const SECTIONS: [&str; 12] = [
    "chain",
    "ring",
    "signer",
    "store",
    "api",
    "peers",
    "policy",
    "webhook",
    "notify_command",
    "evidence",
    "requester",
    "recipient_limit",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn one_value_that_is_another_is_taken_or_refused_by_its_name(file in select(SHIPPED.to_vec()), at: Index, change in change()) {
        let mut value = Value::Table(toml::from_str(file).unwrap());
        let mut found = Vec::new();
        ways(&value, &[], &mut found);
        let way = at.get(&found).clone();
        apply(&mut value, &way, change);
        if let Err(error) = load_beside("one.toml", &toml::to_string(&value).unwrap()) {
            check_refusal(&error)?;
            // The field itself, or what it is in.
            let said = error.to_string();
            let names = |step: &Step| matches!(step, Step::Field(name) if said.contains(name.as_str()));
            prop_assert!(way.iter().any(names), "{:?}: {}", way, said);
        }
    }

    #[test]
    fn many_values_that_are_others_are_taken_or_refused(
        file in select(SHIPPED.to_vec()), changes in prop::collection::vec((any::<Index>(), change()), 2..6),
    ) {
        let mut value = Value::Table(toml::from_str(file).unwrap());
        for (at, change) in changes {
            let mut found = Vec::new();
            ways(&value, &[], &mut found);
            apply(&mut value, &at.get(&found).clone(), change);
        }
        if let Err(error) = load_beside("many.toml", &toml::to_string(&value).unwrap()) {
            check_refusal(&error)?;
        }
    }

    #[test]
    fn a_text_with_pieces_changed_or_cut_off_is_taken_or_refused(
        file in select(SHIPPED.to_vec()), changes in prop::collection::vec((any::<Index>(), any::<char>()), 0..4),
        cut in any::<Option<Index>>(),
    ) {
        let mut text: Vec<char> = file.chars().collect();
        for (at, other) in changes {
            let index = at.index(text.len());
            text[index] = other;
        }
        if let Some(at) = cut {
            text.truncate(at.index(text.len()));
        }
        if let Err(error) = load_beside("text.toml", &String::from_iter(text)) {
            check_refusal(&error)?;
        }
    }

    #[test]
    fn a_misspelt_field_is_refused_by_its_name(file in select(SHIPPED.to_vec()), at: Index, name in "zz[a-z]{1,6}") {
        let mut value = Value::Table(toml::from_str(file).unwrap());
        let mut found = Vec::new();
        ways(&value, &[], &mut found);
        // What is compared with an event is named as the event's parameters are.
        let open = |way: &[Step]| way.iter().any(|step| matches!(step, Step::Field(name) if name == "match"));
        found.retain(|way| matches!(way.last(), Some(Step::Field(_))) && !open(way));
        let way = at.get(&found);
        let (last, outer) = way.split_last().unwrap();
        let Step::Field(old) = last else { panic!("it is a field") };
        let mut place = &mut value;
        for step in outer {
            place = match step {
                Step::Field(name) => &mut place[name.as_str()],
                Step::Item(index) => &mut place[*index],
            };
        }
        let fields = place.as_table_mut().unwrap();
        let moved = fields.remove(old).unwrap();
        fields.insert(name.clone(), moved);
        let error = load_beside("misspelt.toml", &toml::to_string(&value).unwrap()).unwrap_err().to_string();
        prop_assert!(error.contains(&name) || error.contains(old.as_str()), "{old} as {name}: {error}");
    }
}
