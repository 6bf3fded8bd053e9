import type { Action } from '../../contract/operation.ts';

/** How a statement that is not DML counts. */
export interface StatementKind {
  readonly kind: string;
  readonly action: 'sql:ddl' | 'sql:dcl' | 'sql:utility';
}

const spoken: Readonly<Record<string, string>> = {
  CheckPointStmt: 'checkpoint',
  ClosePortalStmt: 'close',
  CreateStmt: 'create_table',
  CreateTrigStmt: 'create_trigger',
  IndexStmt: 'create_index',
  RefreshMatViewStmt: 'refresh_materialized_view',
  RuleStmt: 'create_rule',
  ViewStmt: 'create_view',
};

function kinds(action: StatementKind['action'], text: string): [string, StatementKind][] {
  return text.split(' ').map((type) => [type, { kind: kindOf(type), action }]);
}

/** `AlterTableStmt` → `alter_table` */
function kindOf(type: string): string {
  const words = type.replace(/Stmt$/, '').replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_');
  return spoken[type] ?? words.toLowerCase();
}

/** The statements that define, grant or maintain. A type in neither this table nor the one of handlers is refused. */
export const statementKinds: ReadonlyMap<string, StatementKind> = new Map([
  ...kinds(
    'sql:ddl',
    'AlterCollationStmt AlterDatabaseRefreshCollStmt AlterDatabaseStmt AlterDomainStmt AlterEnumStmt AlterEventTrigStmt AlterExtensionContentsStmt ' +
      'AlterExtensionStmt AlterFdwStmt AlterForeignServerStmt AlterFunctionStmt AlterObjectDependsStmt AlterObjectSchemaStmt AlterOpFamilyStmt ' +
      'AlterOperatorStmt AlterPublicationStmt AlterSeqStmt AlterStatsStmt AlterSubscriptionStmt AlterTSConfigurationStmt AlterTSDictionaryStmt ' +
      'AlterTableMoveAllStmt AlterTableSpaceOptionsStmt AlterTableStmt AlterTypeStmt CommentStmt CompositeTypeStmt CreateAmStmt CreateCastStmt ' +
      'CreateConversionStmt CreateDomainStmt CreateEnumStmt CreateEventTrigStmt CreateExtensionStmt CreateFdwStmt CreateForeignServerStmt ' +
      'CreateForeignTableStmt CreateFunctionStmt CreateOpClassStmt CreateOpFamilyStmt CreatePLangStmt CreatePublicationStmt CreateRangeStmt ' +
      'CreateSchemaStmt CreateSeqStmt CreateStatsStmt CreateStmt CreateSubscriptionStmt CreateTableSpaceStmt CreateTransformStmt CreateTrigStmt ' +
      'CreatedbStmt DefineStmt DropStmt DropSubscriptionStmt DropTableSpaceStmt DropdbStmt ImportForeignSchemaStmt IndexStmt RefreshMatViewStmt ' +
      'RenameStmt RuleStmt ViewStmt',
  ),
  ...kinds(
    'sql:dcl',
    'AlterDatabaseSetStmt AlterDefaultPrivilegesStmt AlterOwnerStmt AlterPolicyStmt AlterRoleSetStmt AlterRoleStmt AlterSystemStmt AlterUserMappingStmt ' +
      'CreatePolicyStmt CreateRoleStmt CreateUserMappingStmt DropOwnedStmt DropRoleStmt DropUserMappingStmt GrantRoleStmt GrantStmt ReassignOwnedStmt SecLabelStmt',
  ),
  ...kinds('sql:utility', 'CheckPointStmt ClosePortalStmt ClusterStmt ConstraintsSetStmt FetchStmt LoadStmt LockStmt ReindexStmt VacuumStmt'),
]);

/** Statements refused in every form, with the word for the record. */
export const refusedKinds: ReadonlyMap<string, string> = new Map([
  ['CopyStmt', 'copy'],
  ['ListenStmt', 'listen'],
  ['NotifyStmt', 'notify'],
]);

/** Commands of the replication protocol, which SQL's grammar does not know. */
export const replicationCommands: ReadonlySet<string> = new Set([
  'alter_replication_slot',
  'base_backup',
  'create_replication_slot',
  'drop_replication_slot',
  'identify_system',
  'read_replication_slot',
  'start_replication',
  'timeline_history',
  'upload_manifest',
]);

/** Object types whose names are relations, and those whose names are functions. */
export const relationTypes: ReadonlySet<string> = new Set(
  'OBJECT_TABLE OBJECT_VIEW OBJECT_MATVIEW OBJECT_SEQUENCE OBJECT_FOREIGN_TABLE OBJECT_INDEX'.split(' '),
);
export const relationPartTypes: ReadonlySet<string> = new Set('OBJECT_TRIGGER OBJECT_RULE OBJECT_POLICY OBJECT_TABCONSTRAINT OBJECT_COLUMN'.split(' '));
export const functionTypes: ReadonlySet<string> = new Set('OBJECT_FUNCTION OBJECT_PROCEDURE OBJECT_ROUTINE OBJECT_AGGREGATE'.split(' '));

/** Actions whose effect on the catalogue makes a refresh due. */
export const alteringActions: ReadonlySet<Action> = new Set<Action>(['sql:ddl', 'sql:dcl']);
