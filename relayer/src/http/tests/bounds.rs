//! How much a client may send, how slowly, and over how many connections.

use super::*;

#[tokio::test]
async fn a_body_may_have_as_many_bytes_as_the_limit_and_not_one_more() {
    let server = Server::start(limits()).await.answering(|command| match command {
        Command::Submit { reply, .. } => drop(reply.send(Receipt::Known(status(Phase::Accepted)))),
        other => panic!("{other:?}"),
    });
    let padded = |length: usize| body() + &" ".repeat(length - body().len());
    assert_eq!(server.post(padded(64 * 1024)).await.status, 200);
    for length in [64 * 1024 + 1, 200 * 1024] {
        let answer = server.post(padded(length)).await;
        assert_eq!((answer.status, answer.code()), (413, "too_large"));
        assert!(answer.message().contains("65536"), "{}", answer.message());
    }
}

#[tokio::test]
async fn a_body_without_an_announced_length_is_bounded_as_well() {
    let mut server = Server::start(limits()).await;
    let chunks = futures::stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 4096])));
    let answer = server.post(reqwest::Body::wrap_stream(chunks)).await;
    assert_eq!((answer.status, answer.code()), (413, "too_large"));
    server.was_not_asked();
}

#[tokio::test]
async fn a_client_that_is_too_slow_with_its_body_is_told_so() {
    let server = Server::start(Limits { body: Duration::from_millis(20), ..limits() }).await;
    let head = "POST /v1/requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{";
    let answer = server.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("slow_body"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_body_that_ends_early_is_not_taken() {
    let mut server = Server::start(limits()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let text = body();
    let head = "POST /v1/requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{text}", text.len() + 1).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    read_to_end(&mut stream).await;
    server.was_not_asked();
}

#[tokio::test]
async fn a_head_that_is_too_long_or_too_slow_ends_the_connection() {
    let connections = ConnectionLimits { idle: Duration::from_millis(20), ..limits().connections };
    let server = Server::start(Limits { connections, ..limits() }).await;
    let long = server.raw(format!("GET /v1/health HTTP/1.1\r\nx: {}\r\n", "y".repeat(64 * 1024)).as_bytes()).await;
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 431"), "{long}");
    assert_eq!(server.raw(b"GET /v1/health HTTP/1.1\r\n").await, "");
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let connections = ConnectionLimits { idle: Duration::from_millis(20), ..limits().connections };
    let server = Server::start(Limits { connections, ..limits() }).await;
    assert_eq!(server.raw(b"").await, "");
}

#[tokio::test]
async fn whoever_only_holds_connections_keeps_nobody_out() {
    let connections = ConnectionLimits { connections: 2, ..limits().connections };
    let server = Server::start(Limits { connections, ..limits() }).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    let mut one = TcpStream::connect(server.address).await.unwrap();
    one.write_all(b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut one).await.starts_with("HTTP/1.1 404"));
    assert_eq!(read_to_end(&mut held[0]).await, "", "the first made room");
}

#[tokio::test]
async fn a_connection_that_is_being_answered_is_not_cut_for_another() {
    let connections = ConnectionLimits { connections: 1, ..limits().connections };
    let mut server = Server::start(Limits { connections, ..limits() }).await;
    let answered =
        tokio::spawn(server.client.post(server.url(REQUESTS)).header("content-type", JSON).body(body()).send());
    let Command::Submit { reply, .. } = server.asked().await else { panic!() };
    let mut other = TcpStream::connect(server.address).await.unwrap();
    other.write_all(b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(timeout(Duration::from_millis(50), other.readable()).await.is_err(), "the second was served");
    reply.send(Receipt::Accepted(status(Phase::Accepted))).unwrap();
    assert_eq!(answered.await.unwrap().unwrap().status(), 202);
    assert!(read_to_end(&mut other).await.starts_with("HTTP/1.1 404"));
}
