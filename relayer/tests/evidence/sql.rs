//! A query on a real PostgreSQL.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use alloy::primitives::U256;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use ring_contracts::{Request, SignedRequest};
use ring_core::Evidence;
use ring_relayer::evidence::{Pace, Sources, Sql, SqlSettings};

use crate::{
    postgres::{PASSWORD, Postgres},
    requests::{DOMAIN, RECIPIENT, TOKEN, native_transfer, requester, signed, token_transfer},
};

const ORDERS: &str = "
    CREATE TABLE orders (id uuid PRIMARY KEY, recipient text, asset text, amount numeric, state text);
    INSERT INTO orders VALUES
      ('01010101-0101-0101-0101-010101010101', '0x00000000000000000000000000000000000000b0',
       '0x00000000000000000000000000000000000000aa', 1000, 'paid'),
      ('02020202-0202-0202-0202-020202020202', '0x00000000000000000000000000000000000000b0',
       '0x00000000000000000000000000000000000000aa', 1000, 'open')";

const KNOWN_ORDER: &str = "
    SELECT CASE WHEN (recipient, asset, amount) <> ($3, $4, $5) THEN 'refuted'
                WHEN state = 'paid' THEN 'genuine' ELSE 'not yet' END AS verdict,
           'the order is for ' || amount AS reason
    FROM orders WHERE id = $1";

fn source(url: &str, query: &str, timeout: Duration, authorities: Option<&Path>) -> Sources {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = SqlSettings {
        name: "orders".into(),
        url: url.to_owned().into(),
        authorities: authorities.map(|file| std::fs::read(file).unwrap()),
        query: query.into(),
        pace: Pace { parallel: 4, timeout },
    };
    Sources::new(DOMAIN, vec![Box::new(Sql::new(settings).unwrap())])
}

fn ask_by(server: &Postgres, query: &str) -> Sources {
    source(&server.url(), query, Duration::from_secs(20), None)
}

fn order(id: u8, amount: u64) -> SignedRequest {
    token_transfer(id, U256::from(amount))
}

fn refuted(reason: &str) -> Evidence {
    Evidence::Refuted { reason: format!("orders: {reason}") }
}

#[tokio::test]
async fn the_database_says_what_is_genuine() {
    let server = Postgres::start().await;
    server.execute(ORDERS).await;
    let sources = ask_by(&server, KNOWN_ORDER);
    assert_eq!(sources.check().await, Ok(vec![]));
    assert_eq!(sources.ask(&order(1, 1_000)).await, Evidence::Genuine);
    assert_eq!(sources.ask(&order(2, 1_000)).await, Evidence::NotYet);
    assert_eq!(sources.ask(&order(3, 1_000)).await, Evidence::NotYet, "an order that is not there");
    assert_eq!(sources.ask(&order(1, 1_001)).await, refuted("the order is for 1000"));
    server.execute("UPDATE orders SET state = 'paid'").await;
    assert_eq!(sources.ask(&order(2, 1_000)).await, Evidence::Genuine);
}

#[tokio::test]
async fn any_other_answer_confirms_nothing() {
    let server = Postgres::start().await;
    let verdicts = ["SELECT 'Genuine' AS verdict", "SELECT NULL::text AS verdict", "SELECT '' AS verdict"];
    let rows = "SELECT 'genuine' AS verdict UNION ALL SELECT 'genuine'";
    let fails = "SELECT CASE WHEN 1 / ($5 - $5) > 0 THEN 'genuine' ELSE 'genuine' END AS verdict";
    for query in verdicts.into_iter().chain([rows, fails]) {
        let sources = ask_by(&server, query);
        assert_eq!(sources.check().await, Ok(vec![]), "{query}");
        assert_eq!(sources.ask(&order(1, 5)).await, Evidence::NotYet, "{query}");
    }
}

#[tokio::test]
async fn a_wrong_query_is_refused_in_the_words_of_the_database() {
    let server = Postgres::start().await;
    server.execute(ORDERS).await;
    let wrong = [
        ("SELECT verdict FROM orders WHERE id = $1", "column \"verdict\" does not exist (42703), at character 8"),
        ("SELEKT 1", "syntax error at or near \"SELEKT\""),
        ("SELECT 'genuine' AS verdict; DROP TABLE orders", "cannot insert multiple commands"),
        ("SELECT 'genuine' AS verdict WHERE $11 = 1", "the query uses $11: there are $1 to $10"),
        ("SELECT 'genuine' AS answer", "the query returns (answer)"),
        ("SELECT true AS verdict", "write verdict::text"),
        ("SELECT 'genuine' AS verdict, 'because' AS why", "the second column of the query is \"why\""),
        ("SELECT 'genuine' AS verdict WHERE $5 = $1", "operator does not exist: numeric = uuid"),
    ];
    for (query, words) in wrong {
        let error = ask_by(&server, query).check().await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(!error.contains(PASSWORD), "{error}");
    }
    let other = server.url().replace(PASSWORD, "battery-staple");
    let error = source(&other, KNOWN_ORDER, Duration::from_secs(20), None).check().await.unwrap_err().to_string();
    assert!(error.contains("password authentication failed") && !error.contains("staple"), "{error}");
}

#[tokio::test]
async fn a_query_changes_nothing() {
    let server = Postgres::start().await;
    server.execute("CREATE TABLE asked (id uuid)").await;
    server
        .execute(
            "CREATE FUNCTION note(uuid) RETURNS text LANGUAGE sql AS
             $$ INSERT INTO asked VALUES ($1); SELECT 'genuine' $$;
             CREATE FUNCTION unlock(uuid) RETURNS text LANGUAGE plpgsql AS
             $$ BEGIN SET TRANSACTION READ WRITE; INSERT INTO asked VALUES ($1); RETURN 'genuine'; END $$",
        )
        .await;
    for query in [
        "WITH noted AS (INSERT INTO asked VALUES ($1) RETURNING id) SELECT 'genuine' AS verdict FROM noted",
        "SELECT note($1) AS verdict",
        "SELECT unlock($1) AS verdict",
    ] {
        assert_eq!(ask_by(&server, query).ask(&order(1, 5)).await, Evidence::NotYet, "{query}");
    }
    assert_eq!(server.number("SELECT count(*) FROM asked").await, 0);
}

#[tokio::test]
async fn every_field_arrives_as_it_is_whatever_it_holds() {
    let server = Postgres::start().await;
    let sources = ask_by(
        &server,
        "SELECT 'refuted' AS verdict,
                concat_ws('|', $1, $2, $3, $4, $5, $6, $7, $8, encode($9, 'hex'), $10, $5 + 1, $8 * 2) AS reason",
    );
    let mut runner = TestRunner::deterministic();
    let any_request = (any::<[u8; 16]>(), any::<[u8; 20]>(), any::<[u8; 32]>(), 0u64..1 << 40);
    for _ in 0..40 {
        let (id, to, amount, expiry) = any_request.new_tree(&mut runner).unwrap().current();
        let amount = U256::from_be_bytes(amount);
        let mut request = token_transfer(1, amount).request;
        request.data = [&request.data[..16], &to[..], &request.data[36..]].concat().into();
        let request = Request { id: id.into(), expiry, ..request };
        let uuid = uuid::Uuid::from_bytes(id);
        let (requester, data) = (requester().address(), ring_contracts::hex::encode(&request.data));
        // 2^256 needs more digits than a U256 has, and so does the database's answer.
        let next = amount.checked_add(U256::ONE).map_or_else(
            || "115792089237316195423570985008687907853269984665640564039457584007913129639936".into(),
            |next| next.to_string(),
        );
        let expected = format!(
            "{uuid}|{TOKEN:#x}|0x{}|{TOKEN:#x}|{amount}|{requester:#x}|1|0|{data}|{expiry}|{next}|0",
            ring_contracts::hex::encode(to)
        );
        let expected: String = expected.chars().take(300).collect();
        assert_eq!(sources.ask(&signed(request)).await, refuted(&expected));
    }
}

#[tokio::test]
async fn the_native_coin_is_the_zero_address() {
    let server = Postgres::start().await;
    let sources = ask_by(&server, "SELECT 'refuted' AS verdict, concat_ws('|', $2, $3, $4, $5, $8) AS reason");
    let expected = format!("{RECIPIENT:#x}|{RECIPIENT:#x}|0x{}|77|77", "0".repeat(40));
    assert_eq!(sources.ask(&native_transfer(1, 77)).await, refuted(&expected));
}

#[tokio::test]
async fn a_slow_query_is_cut_off_by_the_database_itself() {
    let server = Postgres::start().await;
    let slow = source(&server.url(), "SELECT 'genuine' AS verdict FROM pg_sleep(3600)", Duration::from_secs(1), None);
    assert_eq!(slow.ask(&order(1, 5)).await, Evidence::NotYet);
    // Nothing but this query and the server's own work is left, sooner or later.
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%'
                AND pid <> pg_backend_pid()";
    let deadline = Instant::now() + Duration::from_secs(60);
    while server.number(busy).await > 0 {
        assert!(Instant::now() < deadline, "the query still runs");
    }
}

#[tokio::test]
async fn a_server_that_is_restarted_is_asked_again() {
    let mut server = Postgres::start().await;
    server.execute(ORDERS).await;
    let sources = ask_by(&server, KNOWN_ORDER);
    assert_eq!(sources.ask(&order(1, 1_000)).await, Evidence::Genuine);
    // Nobody has noticed that the connection is gone.
    server.stop();
    server.go_on();
    assert_eq!(sources.ask(&order(1, 1_000)).await, Evidence::Genuine);
    server.stop();
    assert_eq!(sources.ask(&order(1, 1_000)).await, Evidence::NotYet);
    server.go_on();
    assert_eq!(sources.ask(&order(1, 1_000)).await, Evidence::Genuine);
}

#[tokio::test]
async fn a_dead_database_stops_neither_the_start_nor_others() {
    let mut server = Postgres::start().await;
    server.stop();
    let sources = ask_by(&server, KNOWN_ORDER);
    let warnings = sources.check().await.unwrap();
    assert!(warnings[0].contains("\"orders\" does not answer") && warnings[0].contains("refused"), "{warnings:?}");
    assert!(!warnings[0].contains(PASSWORD), "{warnings:?}");
    for _ in 0..3 {
        assert_eq!(sources.ask(&order(1, 1_000)).await, Evidence::NotYet);
    }
    let other = Postgres::start().await;
    assert_eq!(ask_by(&other, "SELECT 'genuine' AS verdict").ask(&order(1, 5)).await, Evidence::Genuine);
}

#[tokio::test]
async fn tls_is_spoken_only_to_a_server_with_the_right_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority_file = folder.path().join("authority.crt");
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(&authority_file, authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let server = Postgres::start_with(|data| {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        std::fs::write(data.join("server.crt"), names.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        std::fs::write(data.join("server.key"), key.serialize_pem()).unwrap();
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(data.join("server.key"), owner_only).unwrap();
        let settings = data.join("postgresql.conf");
        let text = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(settings, text + "\nssl = on\n").unwrap();
        std::fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
    });
    let server = server.await;
    let url = format!("{}?sslmode=require", server.url());
    let query = "SELECT 'genuine' AS verdict FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
    let timeout = Duration::from_secs(20);

    assert_eq!(source(&url, query, timeout, Some(&authority_file)).ask(&order(1, 5)).await, Evidence::Genuine);
    let unknown = source(&url, query, timeout, None);
    assert!(unknown.check().await.unwrap()[0].contains("certificate"), "{:?}", unknown.check().await);
    assert_eq!(unknown.ask(&order(1, 5)).await, Evidence::NotYet);
    let other_name = source(&url.replace("127.0.0.1", "localhost"), query, timeout, Some(&authority_file));
    assert!(other_name.check().await.unwrap()[0].contains("certificate"), "{:?}", other_name.check().await);
    // Nor is it spoken to in the clear.
    let clear = source(&server.url(), query, timeout, None).check().await;
    assert!(clear.unwrap_err().to_string().contains("pg_hba.conf"));
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_where_tls_is_asked_for() {
    let server = Postgres::start().await;
    let url = format!("{}?sslmode=require", server.url());
    let sources = source(&url, "SELECT 'genuine' AS verdict", Duration::from_secs(20), None);
    assert!(sources.check().await.unwrap()[0].contains("TLS"), "{:?}", sources.check().await);
    assert_eq!(sources.ask(&order(1, 5)).await, Evidence::NotYet);
}
