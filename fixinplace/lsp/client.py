"""What the editor at the other end can do, read once from what it announces."""

from __future__ import annotations

from dataclasses import dataclass

from lsprotocol import types


@dataclass(frozen=True, slots=True)
class Client:
    """Abilities; all False where an editor announces nothing.

    pull: it asks for diagnostics; then none are pushed. refresh: it can be told to ask again.
    versioned: edits may name the version that they are for. lazy: an action's edit may come when the action is chosen.
    """

    pull: bool = False
    refresh: bool = False
    lens_refresh: bool = False
    versioned: bool = False
    lazy: bool = False
    apply: bool = False
    progress: bool = False
    show_document: bool = False
    markdown: bool = False
    configuration: bool = False
    watch: bool = False
    reconfigure: bool = False


def read(capabilities: types.ClientCapabilities, *, named: bool) -> Client:
    """The abilities of a client.

    named: it has said who it is, as every editor does. Test benches announce in an editor's stead what they then take
    for an error; of those nothing is asked that the user would not miss.
    """
    text = capabilities.text_document or types.TextDocumentClientCapabilities()
    workspace = capabilities.workspace or types.WorkspaceClientCapabilities()
    window = capabilities.window or types.WindowClientCapabilities()
    hover = text.hover.content_format if text.hover and text.hover.content_format else ()
    action = text.code_action
    return Client(
        pull=text.diagnostic is not None,
        refresh=bool(workspace.diagnostics and workspace.diagnostics.refresh_support),
        lens_refresh=named and bool(workspace.code_lens and workspace.code_lens.refresh_support),
        versioned=bool(workspace.workspace_edit and workspace.workspace_edit.document_changes),
        lazy=bool(
            action and action.data_support and action.resolve_support and "edit" in action.resolve_support.properties
        ),
        apply=bool(workspace.apply_edit),
        progress=bool(window.work_done_progress),
        show_document=bool(window.show_document and window.show_document.support),
        markdown=types.MarkupKind.Markdown in hover,
        configuration=bool(workspace.configuration),
        watch=named
        and bool(workspace.did_change_watched_files and workspace.did_change_watched_files.dynamic_registration),
        reconfigure=named
        and bool(workspace.did_change_configuration and workspace.did_change_configuration.dynamic_registration),
    )
