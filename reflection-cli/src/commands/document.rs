// SPDX-License-Identifier: GPL-3.0-or-later
//! Finding the document that an argument means.

use reflection_doc::library::Library;
use reflection_node::Problem;
use reflection_node::access::TopicId;

use super::CommandError;

/// Stands for the document that was created or joined last.
const LAST: &str = "@last";

/// The document that an argument means, or all where there is none.
pub(super) async fn one_or_all(
    library: &Library,
    argument: Option<&str>,
) -> Result<Vec<TopicId>, CommandError> {
    if let Some(argument) = argument {
        return Ok(vec![find(library, argument).await?]);
    }
    let documents = library.node().documents().await?;
    Ok(documents.into_iter().map(|info| info.topic).collect())
}

/// Finds a document by its id, a unique prefix of one, or `@last`.
pub(super) async fn find(library: &Library, argument: &str) -> Result<TopicId, CommandError> {
    let topic = find_any(library, argument).await?;
    if library
        .node()
        .damaged_documents()
        .await?
        .contains(&Some(topic))
    {
        return Err(CommandError::failed(Problem::Keys));
    }
    Ok(topic)
}

/// The same where it does not matter that the document cannot be opened.
pub(super) async fn find_any(library: &Library, argument: &str) -> Result<TopicId, CommandError> {
    let node = library.node();
    let mut documents: Vec<_> = node.documents().await?.iter().map(|it| it.topic).collect();
    if argument == LAST {
        let last = documents.last().copied();
        return last.ok_or_else(|| CommandError::failed("there are no documents"));
    }
    documents.extend(node.damaged_documents().await?.into_iter().flatten());
    let wanted = argument.to_ascii_lowercase();
    if wanted.is_empty() || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(CommandError::WrongUse(
            "a document is named by its id, by the beginning of it, or by @last".into(),
        ));
    }
    let mut matching = documents
        .into_iter()
        .filter(|topic| topic.to_string().starts_with(&wanted));
    match (matching.next(), matching.next()) {
        (Some(topic), None) => Ok(topic),
        (None, _) => Err(CommandError::failed("there is no such document here")),
        (Some(_), Some(_)) => Err(CommandError::failed(
            "more than one document begins with that id",
        )),
    }
}

/// Says of what was done to all documents that some were left out.
pub(super) async fn all_are_sound(library: &Library) -> Result<(), CommandError> {
    match library.node().damaged_documents().await?.len() {
        0 => Ok(()),
        count => Err(CommandError::Failed(format!(
            "documents that are damaged and were left out: {count} (see check)"
        ))),
    }
}
