//! The task that fetches what nodes want, for as long as a conversation lasts.

use super::content::{ContentError, Wanted, fetch_large, fetch_small};
use super::files::Arriving;
use super::shared::Shared;
use crate::model::{ChunkId, NodeId};
use crate::net::Connection;
use crate::ops::Tree;
use crate::sync::member::content_of;
use std::collections::HashSet;
use std::sync::Arc;

/// Nodes looked at in one round.
const NODES_PER_ROUND: usize = 256;

pub async fn run(shared: Arc<Shared>, connection: Connection) {
    // What the hub does not have, or this machine has no room for, is tried again with the next conversation.
    let mut given_up = HashSet::new();
    while connection.close_reason().is_none() && !shared.is_stopping() {
        let round = tokio::task::block_in_place(|| next_round(&shared, &given_up));
        if round.is_empty() {
            shared.fetch_wake.notified().await;
            continue;
        }
        if let Err(error) = fetch(&shared, &connection, round, &mut given_up).await {
            tracing::warn!(%error, "content could not be fetched");
            if matches!(error, ContentError::Closed(_) | ContentError::Send(_) | ContentError::Receive(_)) {
                return;
            }
        }
    }
}

/// What to fetch next: first what somebody waits for.
fn next_round(shared: &Shared, given_up: &HashSet<NodeId>) -> Vec<Wanted> {
    let replica = shared.volume().replica();
    let mut nodes: Vec<NodeId> = shared.urgent.lock().drain(..).collect();
    if nodes.is_empty() {
        let mut after = None;
        while nodes.len() < NODES_PER_ROUND {
            let page = replica.wanted(after, NODES_PER_ROUND);
            let Some(last) = page.last() else { break };
            after = Some(*last);
            nodes.extend(page.iter().filter(|node| !given_up.contains(node)));
        }
    }
    let view = replica.view();
    let wanted = nodes.into_iter().filter_map(|node| {
        let manifest = view.node(node)?.manifest()?.clone();
        Some(Wanted { node, content: content_of(&manifest), manifest })
    });
    wanted.collect()
}

async fn fetch(
    shared: &Shared,
    connection: &Connection,
    round: Vec<Wanted>,
    given_up: &mut HashSet<NodeId>,
) -> Result<(), ContentError> {
    let small_chunk = |wanted: Wanted| match wanted.manifest.inline_chunk() {
        Some(chunk) => Ok((wanted, chunk)),
        None => Err(wanted),
    };
    let (mut small, mut large): (Vec<(Wanted, ChunkId)>, Vec<Wanted>) = (Vec::new(), Vec::new());
    for wanted in round {
        match small_chunk(wanted) {
            Ok(entry) => small.push(entry),
            Err(wanted) => large.push(wanted),
        }
    }
    let mut taken = HashSet::new();
    let fetched = fetch_small(connection, &Arriving(shared), &small, |wanted, file| {
        taken.insert(wanted.node);
        arrived(shared, wanted, file);
    })
    .await;
    if let Err(error) = fetched {
        // One that the hub lacks must not hold up the others for ever: it is passed over from now on.
        let first = small.iter().map(|(wanted, _)| wanted.node).find(|node| !taken.contains(node));
        given_up.extend(first);
        return Err(error);
    }
    for wanted in large {
        match fetch_large(connection, &Arriving(shared), &wanted.manifest).await {
            Ok(file) => tokio::task::block_in_place(|| arrived(shared, &wanted, file)),
            Err(error) => {
                given_up.insert(wanted.node);
                return Err(error);
            }
        }
    }
    Ok(())
}

fn arrived(shared: &Shared, wanted: &Wanted, file: u64) {
    let swapped = shared.volume().replica().materialized(wanted.node, wanted.content, file);
    match swapped {
        Ok(effects) => shared.volume().remove_files(effects.removed_files),
        Err(error) => {
            tracing::error!(%error, "fetched content could not be swapped in");
            shared.note_trouble(error.to_string());
            shared.volume().remove_files(vec![file]);
        }
    }
    shared.progressed();
}
