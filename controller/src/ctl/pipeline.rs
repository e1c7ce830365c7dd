// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtnctl pipeline`

use p4rt::{client::Client, proto::p4::v1::get_forwarding_pipeline_config_request::ResponseType};

use crate::ctl::{
    CtlError, Format,
    report::{Section, show},
};

pub(super) async fn run(client: &Client, format: Format) -> Result<String, CtlError> {
    let version = client.capabilities().await;
    let config = client
        .pipeline(ResponseType::All)
        .await?
        .ok_or(CtlError::NoProgram)?;
    let p4info = config.p4info.unwrap_or_default();
    let package = p4info.pkg_info.unwrap_or_default();
    let cookie = config.cookie.map_or(0, |cookie| cookie.cookie);
    let rows = [
        ("program", package.name),
        ("architecture", package.arch),
        ("cookie", format!("{cookie:#018x}")),
        ("tables", p4info.tables.len().to_string()),
        ("actions", p4info.actions.len().to_string()),
        (
            "counters",
            (p4info.counters.len() + p4info.direct_counters.len()).to_string(),
        ),
        ("digests", p4info.digests.len().to_string()),
        (
            "device_config_bytes",
            config.p4_device_config.len().to_string(),
        ),
        // Servers older than version 1.3 cannot say it.
        (
            "p4runtime",
            version.unwrap_or_else(|_| "unknown".to_owned()),
        ),
    ];
    let rows = rows
        .map(|(name, value)| vec![name.to_owned(), value])
        .to_vec();
    let columns = ["property", "value"].map(str::to_owned).to_vec();
    let section = Section {
        title: "pipeline".to_owned(),
        note: String::new(),
        columns,
        rows,
    };
    Ok(show(&[section], format))
}
