//! What the ring is to be next.

use super::*;

const NEXT: &str = r#"
[next.ring]
expires_at = 1830297600
seats = [
  "0x0000000000000000000000000000000000000011",
  "0x0000000000000000000000000000000000000012",
  "0x0000000000000000000000000000000000000013",
]
[next.signer]
keystore = "next.json"
password_file = "next.password"
"#;

fn announced(next: &str) -> Result<Config, ConfigError> {
    let folder = folder();
    std::fs::write(folder.path().join("next.json"), "{}").unwrap();
    secret(&folder.path().join("next.password"), 0o600);
    load_from(&folder, &format!("{FILE}{next}"), &[])
}

#[test]
fn what_the_ring_is_to_be_next_is_the_ring_but_for_what_changes() {
    let config = announced(NEXT).unwrap();
    let next = config.next.clone().unwrap();
    let seats = [0x11, 0x12, 0x13].map(Address::with_last_byte).to_vec();
    let charter = Charter { expires_at: 1_830_297_600, seats, ..config.ring.charter.clone() };
    assert_eq!(next.config.ring.charter, charter);
    assert!(!next.keeps_key);
    assert!(matches!(&next.config.signer, Signer::Keystore { keystore, .. } if keystore.ends_with("next.json")));
    let settings = config.settings(Address::with_last_byte(1)).unwrap();
    assert_eq!((settings.next_charter, settings.charter), (Some(charter.commitment()), config.ring.charter.clone()));
    assert_eq!(next.config.settings(Address::with_last_byte(0x11)).unwrap().next_charter, None);
}

#[test]
fn a_seat_takes_part_as_it_remembers() {
    let config = announced(NEXT).unwrap();
    let (now, next) = (config.ring.charter.clone(), config.next.clone().unwrap().config.ring.charter);
    for (succeeded_to, charter) in [(None, &now), (Some(now.commitment()), &now), (Some(next.commitment()), &next)] {
        assert_eq!(config.clone().remembered(succeeded_to).ring.charter, *charter);
    }
}

#[test]
fn a_seat_may_keep_its_key() {
    let (ring, _) = NEXT.split_once("[next.signer]").unwrap();
    let config = announced(&ring.replace("000000000011", "000000000001")).unwrap();
    let next = config.next.unwrap();
    assert!(next.keeps_key);
    assert!(matches!(next.config.signer, Signer::Keystore { keystore, .. } if keystore.ends_with("seat-0.json")));
}

#[test]
fn what_makes_no_sense_of_it_is_refused_with_its_field() {
    let two = NEXT.replace("  \"0x0000000000000000000000000000000000000013\",\n", "");
    for (next, expected) in [
        (NEXT.replace("expires_at = 1830297600", "window = 4"), "next.ring.window: "),
        (NEXT.replace("expires_at = 1830297600", "id = 2"), "unknown field `id`"),
        (NEXT.replace("next.json", "absent.json"), "next.signer.keystore: "),
        (two, "next.ring.seats: the ring has 3 seats and is to have 2: "),
        ("[next.ring]\n".to_owned(), "next.ring: is what [ring] is: delete [next]"),
    ] {
        let error = announced(&next).unwrap_err().to_string();
        assert_eq!(error.matches(expected).count(), 1, "{expected} in {error}");
    }
}
