"""Every error that Seogo raises on purpose.

SeogoError
├── InputError                     the caller can mend the request
│   ├── InvalidRequest             invalid_request
│   │   ├── PromptTooLong          prompt_too_long
│   │   ├── ImagesNotTaken         images_not_taken
│   │   └── ModelRefused           model_refused
│   ├── MethodNotAllowed           method_not_allowed
│   ├── HostNotServed              host_not_served
│   ├── PayloadTooLarge            payload_too_large
│   ├── RangeRefused               range_refused
│   ├── EmptyFile                  empty_file
│   ├── UnsupportedFormat          unsupported_format
│   ├── ConverterMissing           converter_missing
│   ├── FileEncrypted              file_encrypted
│   ├── FileDamaged                file_damaged
│   ├── NoTextFound                no_text_found
│   │   └── OcrUnavailable          ocr_unavailable
│   ├── PersonalDataBlocked        personal_data_blocked
│   ├── NothingToRelease           nothing_to_release
│   ├── QuestionTooLong            question_too_long
│   ├── QuestionsInvalid           questions_invalid
│   ├── NameTaken                  name_taken
│   ├── FilterTooWide              filter_too_wide
│   ├── TooManyRules               too_many_rules
│   ├── WouldLockOut               would_lock_out
│   ├── LastAdministrator          last_administrator
│   ├── NothingToRetry             nothing_to_retry
│   ├── NothingToCancel            nothing_to_cancel
│   ├── SpaceConflict              space_conflict
│   ├── SwitchRefused              switch_refused
│   ├── GenerationEnded            generation_ended
│   ├── GenerationUnfinished       generation_unfinished
│   ├── UnknownModel               unknown_model
│   ├── LicenceForbids             licence_forbids
│   ├── UnsupportedRequest         unsupported_request
│   ├── RepositoryRefused          repository_refused
│   ├── RepositoryNotRead          repository_not_read
│   │   ├── CredentialsRefused     credentials_refused
│   │   ├── RefNotFound            ref_not_found
│   │   └── RepositoryTooLarge     repository_too_large
│   ├── PatternRefused             pattern_refused
│   ├── RerankerMissing            reranker_missing
│   └── GeneratorMissing           generator_missing
├── NotAuthenticated               not_authenticated
│   └── AccessEnded                access_ended
├── DirectoryStopped               directory_stopped
├── DirectoryGroupsGone            directory_groups_gone
├── SignInFailed                   sign_in_failed
├── NotPermitted                   not_permitted
│   ├── LabelAboveClearance        label_above_clearance
│   ├── NotYoursToOpen             not_yours_to_open
│   ├── PathRuleKept               path_rule_kept
│   └── PersonalDataHidden         personal_data_hidden
├── RateLimited                    rate_limited
├── NotFound                       not_found
│   ├── CollectionNotFound         collection_not_found
│   ├── DocumentNotFound           document_not_found
│   ├── ReceiptNotFound            receipt_not_found
│   ├── SpaceNotFound              space_not_found
│   ├── AccountNotFound            account_not_found
│   ├── GroupNotFound              group_not_found
│   ├── GrantNotFound              grant_not_found
│   ├── RepositoryNotFound         repository_not_found
│   ├── SymbolNotFound             symbol_not_found
│   └── KeyNotFound                key_not_found
├── ParseLimitExceeded             parse_limit_exceeded
│   └── TooMuchText                too_much_text
├── ParserCrashed                  parser_crashed
├── WorkerLost                     worker_lost
├── OriginalMissing                original_missing
├── BlobTampered                   blob_tampered
├── Unavailable                    the service can't do it now; a retry can help
│   ├── IndexUnavailable           index_unavailable
│   ├── AccessSettling             access_settling
│   ├── StoreUnavailable           store_unavailable
│   │   ├── StoreFull              store_full
│   │   ├── StoreDamaged           store_damaged
│   │   ├── StoreReadOnly          store_read_only
│   │   └── StoreLogKept           store_log_kept
│   ├── BlobsUnavailable           blobs_unavailable
│   ├── IndexWriteMismatch         index_write_mismatch
│   ├── PurgeIncomplete            purge_incomplete
│   ├── AuditUnavailable           audit_unavailable
│   ├── ProviderUnavailable        provider_unavailable
│   ├── RepositoryUnreachable      repository_unreachable
│   └── ModelUnavailable           model_unavailable
│       ├── ModelBusy              model_busy
│       ├── ModelTimeout           model_timeout
│       ├── ModelAway              model_away
│       ├── ModelUnusable          model_unusable
│       ├── ModelBroken            model_broken
│       ├── ModelNotServed         model_not_served
│       └── GenerationStopped      generation_stopped
├── EgressRefused                  egress_refused
└── ConfigurationError             configuration_invalid
    ├── KeyAtRestMissing           key_at_rest_missing
    ├── AnchorsUnreadable          anchors_unreadable
    ├── ModelFilesChanged          model_files_changed
    ├── StoreInUse                 store_in_use
    ├── DataFolderRefused          data_folder_refused
    └── SchemaOutdated             schema_outdated

The first line of a class's docstring is its message in English; `messages.py` holds the Korean one under the same code.
Placeholders in braces are filled from the keyword arguments given to the constructor.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import ClassVar

from rag.domain.repository_reasons import READ_REASONS


class SeogoError(Exception):
    """Something went wrong inside Seogo. The operator's log has the details."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, **params: str | int | float) -> None:
        self.params = params
        super().__init__(self.message_en())

    @classmethod
    def template_en(cls) -> str:
        """The English message with its placeholders."""
        return inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("\n", " ")

    def message_en(self) -> str:
        """The English message with the placeholders filled; a missing value shows as an ellipsis."""
        return self.template_en().format_map(_Lenient(self.params))


class _Lenient(dict[str, "str | int | float"]):
    """Fills what is known: an error message must never raise."""

    def __missing__(self, key: str) -> str:
        return "…"


def fill(template: str, params: dict[str, str | int | float]) -> str:
    """Fill `template`'s placeholders from `params`, leaving an ellipsis for a missing one."""
    return template.format_map(_Lenient(params))


class InputError(SeogoError):
    """The request can't be carried out as sent."""

    code = "input_error"


class InvalidRequest(InputError):
    """The request is not valid: {detail}"""

    code = "invalid_request"


class PromptTooLong(InvalidRequest):
    """Question, conversation and passages are too long for the model {name}, which takes {limit} tokens."""

    code = "prompt_too_long"


class ImagesNotTaken(InvalidRequest):
    """The model {name} does not take this: {detail}"""

    code = "images_not_taken"


class ModelRefused(InvalidRequest):
    """The model {name} does not take the request as it is: {detail}"""

    code = "model_refused"


class MethodNotAllowed(InputError):
    """This address does not take {method} requests."""

    code = "method_not_allowed"


class HostNotServed(InputError):
    """This service is not reached under the name {host}. Its operator lists its names under `api.browsers.hosts`."""

    code = "host_not_served"


class PayloadTooLarge(InputError):
    """The upload is larger than the limit of {limit_mb} MB. Nothing of it was kept."""

    code = "payload_too_large"


class RangeRefused(InputError):
    """That range of bytes can't be sent. Ask for at most {limit} ranges that do not overlap, inside the file."""

    code = "range_refused"


class EmptyFile(InputError):
    """The file {name} is empty (0 bytes)."""

    code = "empty_file"


class UnsupportedFormat(InputError):
    """The content of {name} is {found}, which no parser here reads."""

    code = "unsupported_format"


class ConverterMissing(InputError):
    """The file {name} is {found}. Reading it needs LibreOffice, which is not installed on the server."""

    code = "converter_missing"


class FileEncrypted(InputError):
    """The file {name} is protected by a password. Remove the protection and upload it again."""

    code = "file_encrypted"


class FileDamaged(InputError):
    """The file {name} is damaged or incomplete: {detail}"""

    code = "file_damaged"


class NoTextFound(InputError):
    """The file {name} was read, but it holds no text."""

    code = "no_text_found"


class PersonalDataBlocked(InputError):
    """{name} holds personal data or secrets that this collection does not let be searched: {kinds}. A curator can release it."""

    code = "personal_data_blocked"


class NothingToRelease(InputError):
    """The document is not held back for personal data."""

    code = "nothing_to_release"


class OcrUnavailable(NoTextFound):
    """The pages of {name} are pictures; to read them, install Tesseract with Korean (tesseract-ocr, tesseract-ocr-kor)."""

    code = "ocr_unavailable"


class QuestionTooLong(InputError):
    """The question has {length} characters; the limit is {limit}."""

    code = "question_too_long"


class QuestionsInvalid(InputError):
    """The questions in {name} can't be used: {detail}"""

    code = "questions_invalid"


class NameTaken(InputError):
    """The name {name} is in use already."""

    code = "name_taken"


class FilterTooWide(InputError):
    """The prefixes in the filter hold for more than {limit} documents. Give a longer prefix, or filter by an attribute."""

    code = "filter_too_wide"


class TooManyRules(InputError):
    """This collection has {limit} different rules about who may read. Name groups instead of people, or use another."""

    code = "too_many_rules"


class WouldLockOut(InputError):
    """After that you could not read {name} yourself. Say `force` if you mean it."""

    code = "would_lock_out"


class LastAdministrator(InputError):
    """That would leave no administrator. Make somebody else one before."""

    code = "last_administrator"


class NothingToRetry(InputError):
    """The newest version of {name} did not fail and was read in full, so there is nothing to try again."""

    code = "nothing_to_retry"


class NothingToCancel(InputError):
    """The ingestion of {name} has ended already, so there is nothing to cancel."""

    code = "nothing_to_cancel"


class SpaceConflict(InputError):
    """The embedding space {name} is not in a state for that: {detail}"""

    code = "space_conflict"


class SwitchRefused(InputError):
    """The switch to the embedding space {name} is refused: {detail}"""

    code = "switch_refused"


class GenerationEnded(InputError):
    """The generation {name} has ended already, so there is nothing to cancel."""

    code = "generation_ended"


class GenerationUnfinished(InputError):
    """The generation {name} has no result: it is {state}."""

    code = "generation_unfinished"


class UnknownModel(InputError):
    """There is no model {name} that this key may use."""

    code = "unknown_model"


class LicenceForbids(InputError):
    """The licence of {name}, {licence}, forbids commercial use. State why this use is permitted: {option} "reason"."""

    code = "licence_forbids"


class UnsupportedRequest(InputError):
    """This server does not do what was asked: {detail}"""

    code = "unsupported_request"


class RepositoryRefused(InputError):
    """The repository {name} can't be taken: {detail}"""

    code = "repository_refused"


class RepositoryNotRead(InputError):
    """The repository {name} could not be read: {detail}"""

    code = "repository_not_read"

    @classmethod
    def because(cls, reason: str, **params: str | int | float) -> RepositoryNotRead:
        """The error with one of `READ_REASONS`, which each reader is told in its own language."""
        return cls(reason=reason, detail=fill(READ_REASONS[reason][1], params), **params)


class CredentialsRefused(RepositoryNotRead):
    """The repository {name} did not accept the credentials, or does not exist for them."""

    code = "credentials_refused"


class RefNotFound(RepositoryNotRead):
    """The repository {name} has no branch, tag or commit {ref}."""

    code = "ref_not_found"


class RepositoryTooLarge(RepositoryNotRead):
    """The repository {name} is too large: {detail}"""

    code = "repository_too_large"


class PatternRefused(InputError):
    """The pattern can't be searched for: {detail}"""

    code = "pattern_refused"


class RerankerMissing(InputError):
    """No reranker is configured on this server. Its operator can name one under `rag.reranking`."""

    code = "reranker_missing"


class GeneratorMissing(InputError):
    """This kind of answer is written by a language model, and none is configured here. The operator may name one under
    `rag.generation.models`."""

    code = "generator_missing"


class NotAuthenticated(SeogoError):
    """The API key is missing or not valid. Send it as `Authorization: Bearer …`."""

    code = "not_authenticated"


class AccessEnded(NotAuthenticated):
    """The right to see this ended while it was sent: the key, the session or the account is not in force any more."""

    code = "access_ended"


class DirectoryStopped(SeogoError):
    """The directory {name} would suspend {count} of {active} accounts. Nothing was changed; look at its filters first."""

    code = "directory_stopped"


class DirectoryGroupsGone(SeogoError):
    """The directory {name} has none of the {count} groups any more that it filled here, and some may deny somebody something.
    Nothing was changed; look at its group_base and group_filter first."""

    code = "directory_groups_gone"


class SignInFailed(SeogoError):
    """The sign-in did not succeed. Please begin again from the portal."""

    code = "sign_in_failed"


class NotPermitted(SeogoError):
    """This key is not permitted to do that."""

    code = "not_permitted"


class LabelAboveClearance(NotPermitted):
    """The label {label} is above your clearance, which is {clearance}."""

    code = "label_above_clearance"


class NotYoursToOpen(NotPermitted):
    """Who may read {name} is for a curator of the collection to say; its owner can only restrict it further."""

    code = "not_yours_to_open"


class PathRuleKept(NotPermitted):
    """The path rule {paths} of {name} holds you back: it and all after it stay as they are, at the end of the rules."""

    code = "path_rule_kept"


class PersonalDataHidden(NotPermitted):
    """The document holds personal data that is hidden from you, so its original can't be given out."""

    code = "personal_data_hidden"


class RateLimited(SeogoError):
    """Too much at once for this {who}: {limit} {what} are allowed. Try again in {retry_after_s} seconds."""

    code = "rate_limited"
    retryable = True


class NotFound(SeogoError):
    """There is nothing under this address that you may see."""

    code = "not_found"


class CollectionNotFound(NotFound):
    """There is no collection {name} that you may see."""

    code = "collection_not_found"


class DocumentNotFound(NotFound):
    """There is no document {name} that you may see."""

    code = "document_not_found"


class ReceiptNotFound(NotFound):
    """There is no receipt {name} that you may see."""

    code = "receipt_not_found"


class SpaceNotFound(NotFound):
    """There is no embedding space {name}."""

    code = "space_not_found"


class AccountNotFound(NotFound):
    """There is no account {name} that you may see."""

    code = "account_not_found"


class GroupNotFound(NotFound):
    """There is no group {name} that you may see."""

    code = "group_not_found"


class RepositoryNotFound(NotFound):
    """There is no repository {name} that you may see."""

    code = "repository_not_found"


class SymbolNotFound(NotFound):
    """There is no definition of {name} that you may see."""

    code = "symbol_not_found"


class GrantNotFound(NotFound):
    """There is no grant {name} that you may see."""

    code = "grant_not_found"


class KeyNotFound(NotFound):
    """There is no key {name} that you may see."""

    code = "key_not_found"


class ParseLimitExceeded(SeogoError):
    """Reading {name} took more than its share of {resource} and was stopped."""

    code = "parse_limit_exceeded"


class TooMuchText(ParseLimitExceeded):
    """{name} holds {found} million characters of text, more than are read of one file (about {most} million). Divide it into
    several files."""

    code = "too_much_text"


class ParserCrashed(SeogoError):
    """The parser stopped without a result on {name}. The service itself is not affected."""

    code = "parser_crashed"
    retryable = True


class WorkerLost(SeogoError):
    """The ingesting process died several times while it was at {name}. The file was set aside."""

    code = "worker_lost"
    retryable = True


class OriginalMissing(SeogoError):
    """The stored original of {name} was not found. If it stays so, upload the file again."""

    code = "original_missing"
    retryable = True


class BlobTampered(SeogoError):
    """The stored content of {name} was changed or damaged outside of this service, and is not given out."""

    code = "blob_tampered"


class Unavailable(SeogoError):
    """A part of the service is not available at the moment. Please try again shortly."""

    code = "unavailable"
    retryable = True


class IndexUnavailable(Unavailable):
    """The search index is not available at the moment. Please try again shortly."""

    code = "index_unavailable"


class AccessSettling(Unavailable):
    """Who may read many documents was just changed, and the search index is following. Please try again in a few minutes."""

    code = "access_settling"


class StoreUnavailable(Unavailable):
    """The database is not available at the moment. Please try again shortly."""

    code = "store_unavailable"


class StoreFull(StoreUnavailable):
    """The disk that holds the database is full. Nothing of this was kept; make room and try again."""

    code = "store_full"


class StoreDamaged(StoreUnavailable):
    """The database is damaged, or is no database. Stop Seogo and put a backup in its place; `seogo doctor` looks at it."""

    code = "store_damaged"
    retryable = False


class StoreReadOnly(StoreUnavailable):
    """The database can't be written to. Let the user that Seogo runs as write there; `seogo doctor` looks at it."""

    code = "store_read_only"


class StoreLogKept(StoreUnavailable):
    """What was overwritten or deleted still stands in the database's log, since others are busy with it. A deletion tries again
    by itself; run a command again, and where it stays so, stop Seogo for that time."""

    code = "store_log_kept"


class BlobsUnavailable(Unavailable):
    """The storage that holds the original files is not available at the moment. Please try again shortly."""

    code = "blobs_unavailable"


class IndexWriteMismatch(Unavailable):
    """The index holds {found} of {expected} chunks after writing. The document will be tried again."""

    code = "index_write_mismatch"


class PurgeIncomplete(Unavailable):
    """Something of {name} was left after its deletion. The purge will be tried again."""

    code = "purge_incomplete"


class AuditUnavailable(Unavailable):
    """The request was refused because it could not be put on the audit trail."""

    code = "audit_unavailable"


class RepositoryUnreachable(Unavailable):
    """The repository {name} can't be reached at the moment. What was indexed before goes on answering."""

    code = "repository_unreachable"


class ProviderUnavailable(Unavailable):
    """The sign-in provider {name} is not available at the moment. Please try again shortly."""

    code = "provider_unavailable"


class ModelUnavailable(Unavailable):
    """The model {name} is not available at the moment. Please try again shortly."""

    code = "model_unavailable"


class ModelBusy(ModelUnavailable):
    """The model {name} has too much to do at the moment. Please try again shortly."""

    code = "model_busy"


class ModelTimeout(ModelUnavailable):
    """The model {name} did not answer in time. Please try again shortly."""

    code = "model_timeout"


class ModelAway(ModelUnavailable):
    """The server of the model {name} can't be reached at the moment. Please try again shortly.

    No request was taken: whatever was to be asked is not at fault.
    """

    code = "model_away"


class ModelUnusable(ModelUnavailable):
    """The server of the model {name} gave nothing that can be used: {detail}. Its operator has to look at the configuration."""

    code = "model_unusable"


class ModelBroken(ModelUnavailable):
    """The answer of the model {name} broke off or could not be read. Please try again."""

    code = "model_broken"


class ModelNotServed(ModelUnavailable):
    """The server that should serve the model {name} does not know it. Its operator has to look at the configuration."""

    code = "model_not_served"
    retryable = False


class GenerationStopped(ModelUnavailable):
    """What the model {name} wrote was of no use ({guard}), so it was stopped. Please put the question differently."""

    code = "generation_stopped"
    retryable = False  # two tries were stopped already


class EgressRefused(SeogoError, ConnectionError):
    """The host {host} is not one that the settings name, so this process does not reach out to it.

    Libraries know it as a connection that failed.
    """

    code = "egress_refused"


class ConfigurationError(SeogoError):
    """The configuration is not valid: {detail}"""

    code = "configuration_invalid"


class KeyAtRestMissing(ConfigurationError):
    """Stored content is encrypted with the key {key}, which is in none of the files of `rag.encryption.key_files`."""

    code = "key_at_rest_missing"


class AnchorsUnreadable(ConfigurationError):
    """The file of what the outside was told of the audit trail can't be read; which it is, the service's log says."""

    code = "anchors_unreadable"


class ModelFilesChanged(ConfigurationError):
    """The files in {folder} are not those that made the vectors of {name}. Put them back and let `seogo index migrate`
    change to the new ones from a folder of their own, or stop the service and run `seogo index rebuild`."""

    code = "model_files_changed"


class StoreInUse(ConfigurationError):
    """The data folder {path} is in use by another Seogo process. Give that server's address with --server; a command that works
    on the store itself needs it stopped."""

    code = "store_in_use"


class DataFolderRefused(ConfigurationError):
    """{path} can't be written to: {detail}. Let this user write there, or name another data folder with --data-dir."""

    code = "data_folder_refused"


class SchemaOutdated(ConfigurationError):
    """The database is at revision {found}, this version needs {expected}. Run `seogo db upgrade`."""

    code = "schema_outdated"


def all_error_types(root: type[SeogoError] = SeogoError) -> Iterator[type[SeogoError]]:
    """`root` and every class below it, parents first."""
    yield root
    for child in root.__subclasses__():
        yield from all_error_types(child)


def error_type_of(code: str) -> type[SeogoError]:
    """The class with this stable code; `SeogoError` when a newer release wrote a code unknown here."""
    return next((kind for kind in all_error_types() if kind.code == code), SeogoError)
