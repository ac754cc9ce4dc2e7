//! Where spans are sent: an OpenTelemetry collector, over HTTP (OTLP).

use std::{fmt, sync::Arc};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};
use reqwest::{Client, Url, redirect};
use zeroize::Zeroizing;

use super::Source;
use crate::{headers, tls};

/// How a collector is reached.
#[derive(Clone)]
pub struct CollectorSettings {
    /// Where spans are posted; usually ends with `/v1/traces`.
    pub endpoint: Url,
    /// Headers, one `Name: value` a line. A secret.
    pub headers: Option<Zeroizing<String>>,
    /// The certificates in PEM of the authorities to believe; `None`: those that this host believes.
    pub authorities: Option<Vec<u8>>,
    /// Of how many requests one is traced; at least 1.
    pub one_in: u64,
}

/// A collector.
#[derive(Clone)]
pub struct Collector {
    endpoint: Url,
    client: Client,
    one_in: u64,
}

// Without the path and query of the endpoint: they may hold a token.
impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("host", &self.endpoint.host_str()).field("one_in", &self.one_in).finish()
    }
}

impl Collector {
    /// A collector that is reached so.
    ///
    /// # Errors
    /// The field that is wrong, and why.
    pub fn new(settings: CollectorSettings) -> Result<Self, (&'static str, String)> {
        let CollectorSettings { endpoint, headers, authorities, one_in } = settings;
        let headers = headers::parse(headers.as_ref().map_or("", |headers| headers.as_str()));
        let headers = headers.map_err(|error| ("headers_file", error.to_string()))?;
        let tls = tls::client_config(authorities.as_deref()).map_err(|error| ("authorities_file", error))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("ring-relayer/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| ("endpoint", format!("no HTTP client can be made: {error}")))?;
        Ok(Self { endpoint, client, one_in: one_in.max(1) })
    }

    /// Of how many requests one is traced.
    pub fn one_in(&self) -> u64 {
        self.one_in
    }

    pub(super) fn exporter(&self, source: Source) -> Result<Exporter, String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(self.client.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.endpoint.as_str())
            .build();
        let mut exporter = exporter.map_err(|error| error.to_string())?;
        exporter.set_resource(&resource(source));
        Ok(Exporter(Arc::new(exporter)))
    }
}

/// Who sends the spans, by OpenTelemetry's conventions for `service.*`.
fn resource(Source { domain, ring, seat, .. }: Source) -> Resource {
    let instance = format!("{}/{}/{ring}/{seat}", domain.chain_id, domain.contract);
    Resource::builder_empty()
        .with_service_name("ring-relayer")
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance),
            KeyValue::new("ring.chain", domain.chain_id.to_string()),
            KeyValue::new("ring.contract", domain.contract.to_string()),
            KeyValue::new("ring.id", i64::from(ring)),
            KeyValue::new("ring.seat", seat as i64),
        ])
        .build()
}

/// Sends spans. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Exporter(Arc<SpanExporter>);

impl Exporter {
    /// Sends spans once.
    pub(super) async fn export(&self, spans: Vec<SpanData>) -> Result<(), String> {
        self.0.export(spans).await.map_err(|error| error.to_string())
    }
}
