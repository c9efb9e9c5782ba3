/**
 * @module
 * Names the request and response types that the server shares with its clients. Types only: importing this loads nothing.
 */
export type {
  CollectionAnswer,
  CollectionRequest,
  DatabaseAnswer,
  DatabaseList,
  DigestAnswer,
  ViolationAnswer,
  ViolationList,
} from './database.ts';
export type {
  AuthorAnswer,
  BatchAnswer,
  BatchRequest,
  BatchResult,
  BatchWrite,
  BulkAnswerLine,
  BulkLine,
  ChangeLine,
  ConflictAnswer,
  ConflictChoiceRequest,
  ConflictedList,
  ConflictList,
  DocumentList,
  HistoryAnswer,
  HistoryChange,
  IntentLine,
  ListItem,
  WriteAnswer,
} from './document.ts';
export type { AlarmAnswer, CheckAnswer, DoctorAnswer } from './doctor.ts';
export type {
  JoinRequest,
  JoinTokenAnswer,
  JoinTokenRequest,
  MemberAnswer,
  MemberList,
  MemberStateName,
  UnsentLine,
} from './member.ts';
export type {
  AuditEntry,
  AuditList,
  DiagnosticsAnswer,
  FeedsAnswer,
  HealthAnswer,
  LeafAnswer,
  Limits,
} from './node.ts';
export type {
  IndexAnswer,
  IndexList,
  IndexPathAnswer,
  IndexRequest,
  QueryAnswer,
  QueryBody,
  QueryExplanation,
} from './query.ts';
export type { Problem, ProblemField } from './problem.ts';
export type {
  AccessRoleName,
  AccessTokenAnswer,
  AccessTokenList,
  NewAccessTokenAnswer,
  NewAccessTokenRequest,
} from './token.ts';
