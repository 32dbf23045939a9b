"""Imports every table, so that `METADATA` is complete for migrations and their drift test."""

from __future__ import annotations

from rag.store.access_rule import AccessRuleRow
from rag.store.account import Account, AccountGroup, GroupMember
from rag.store.answer_record import AnswerRecord, AnswerSource, Feedback
from rag.store.api_key import ApiKey
from rag.store.attribute import DocumentAttribute
from rag.store.audit_event import AuditCut, AuditedDocument, AuditHead, AuditRow
from rag.store.base import Base
from rag.store.chunk import ChunkRow
from rag.store.client_file import ClientFile, FileBatch, StoredFile
from rag.store.code_symbol import CodeReference, CodeSymbol
from rag.store.collection import Collection
from rag.store.connector import ConnectorItem, ConnectorSource
from rag.store.directory_run import DirectoryRun
from rag.store.document import Document
from rag.store.embedding_space import EmbeddingSpaceRow
from rag.store.fusion_weight import FusionWeight
from rag.store.glossary import GlossaryTerm
from rag.store.program import Program, ProgramFile, ProgramRepository, ProgramSource
from rag.store.rate_count import RateCount
from rag.store.receipt import DeletionReceipt
from rag.store.repository import Repository, RepositoryFile
from rag.store.repository_rules import KeptPathRules
from rag.store.role_grant import RoleGrant
from rag.store.sign_in import AccountLink, PendingSignIn, PortalSession
from rag.store.tenant import Tenant
from rag.store.version import DocumentVersion
from rag.store.widget_token import WidgetToken
from rag.store.worker import Worker

METADATA = Base.metadata
TABLES = (
    Tenant,
    Account,
    AccountGroup,
    GroupMember,
    RoleGrant,
    AccessRuleRow,
    ApiKey,
    WidgetToken,
    Collection,
    Document,
    DocumentVersion,
    ChunkRow,
    DocumentAttribute,
    DeletionReceipt,
    ConnectorSource,
    ConnectorItem,
    Worker,
    FusionWeight,
    GlossaryTerm,
    EmbeddingSpaceRow,
    ClientFile,
    StoredFile,
    FileBatch,
    AnswerRecord,
    AnswerSource,
    Feedback,
    Program,
    ProgramRepository,
    ProgramSource,
    ProgramFile,
    AuditRow,
    AuditedDocument,
    AuditHead,
    AuditCut,
    RateCount,
    PendingSignIn,
    PortalSession,
    AccountLink,
    DirectoryRun,
    Repository,
    RepositoryFile,
    KeptPathRules,
    CodeSymbol,
    CodeReference,
)
