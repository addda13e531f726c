package catalogue

import (
	"slices"
	"strings"

	"freshet.dev/internal/gateway"
)

// view is a view of the catalog. Its columns are those of the page of its name in the Transact-SQL reference, without such as only tell of storage.
type view struct {
	schema, name string
	layout       layout
	rows         func(*Database) []row // nil: there is nothing of the kind here, such as keys
}

// Relations are the views of a schema, in any letter case; nil: it has none.
func (d *Database) Relations(schema string) []Relation {
	var relations []Relation
	for _, v := range catalogViews() {
		if strings.EqualFold(v.schema, schema) {
			relations = append(relations, Relation{v.name, v.layout.columns(), func() [][]any {
				if v.rows == nil {
					return [][]any{}
				}
				return v.layout.fill(v.rows(d))
			}})
		}
	}
	return relations
}

// catalogViews are all views of the catalog.
func catalogViews() []view {
	const (
		object = `name sysname, object_id int, principal_id int, schema_id int, parent_object_id int=0, type char(2), type_desc nvarchar(60), create_date datetime,
			modify_date datetime, is_ms_shipped bit=0, is_published bit=0, is_schema_published bit=0`
		column = `object_id int, name sysname, column_id int, system_type_id tinyint, user_type_id int, max_length smallint, precision tinyint, scale tinyint,
			collation_name sysname, is_nullable bit, is_ansi_padded bit=1, is_rowguidcol bit=0, is_identity bit=0, is_computed bit=0, is_filestream bit=0, is_replicated bit=0,
			is_non_sql_subscribed bit=0, is_merge_published bit=0, is_dts_replicated bit=0, is_xml_document bit=0, xml_collection_id int=0, default_object_id int=0,
			rule_object_id int=0, is_sparse bit=0, is_column_set bit=0, generated_always_type tinyint=0, generated_always_type_desc nvarchar(60)=NOT_APPLICABLE,
			encryption_type int, encryption_type_desc nvarchar(64), encryption_algorithm_name sysname, column_encryption_key_id int,
			column_encryption_key_database_name sysname, is_hidden bit=0, is_masked bit=0, graph_type int, graph_type_desc nvarchar(60)`
		table = object + `, lob_data_space_id int=0, filestream_data_space_id int, max_column_id_used int, lock_on_bulk_load bit=0, uses_ansi_nulls bit=1,
			is_replicated bit=0, has_replication_filter bit=0, is_merge_published bit=0, is_sync_tran_subscribed bit=0, has_unchecked_assembly_data bit=0,
			text_in_row_limit int=0, large_value_types_out_of_row bit=0, is_tracked_by_cdc bit=0, lock_escalation tinyint=0, lock_escalation_desc nvarchar(60)=TABLE,
			is_filetable bit=0, is_memory_optimized bit=0, durability tinyint=0, durability_desc nvarchar(60)=SCHEMA_AND_DATA, temporal_type tinyint=0,
			temporal_type_desc nvarchar(60)=NON_TEMPORAL_TABLE, history_table_id int, is_remote_data_archive_enabled bit=0, is_external bit=0, history_retention_period int,
			history_retention_period_unit int, history_retention_period_unit_desc nvarchar(10), is_node bit=0, is_edge bit=0`
		viewObject = object + `, is_replicated bit=0, has_replication_filter bit=0, has_opaque_metadata bit=0, has_unchecked_assembly_data bit=0, with_check_option bit=0,
			is_date_correlation_view bit=0, is_tracked_by_cdc bit=0, has_snapshot bit=0`
		procedure = object + `, is_auto_executed bit=0, is_execution_replicated bit=0, is_repl_serializable_only bit=0, skips_repl_constraints bit=0`
		parameter = `object_id int, name sysname, parameter_id int, system_type_id tinyint, user_type_id int, max_length smallint, precision tinyint, scale tinyint,
			is_output bit=0, is_cursor_ref bit=0, has_default_value bit=0, is_xml_document bit=0, default_value nvarchar(4000), xml_collection_id int=0, is_readonly bit=0,
			is_nullable bit=1, encryption_type int, encryption_type_desc nvarchar(64)`
		module = `object_id int, definition nvarchar(max), uses_ansi_nulls bit=1, uses_quoted_identifier bit=1, is_schema_bound bit=0, uses_database_collation bit=0,
			is_recompiled bit=0, null_on_null_input bit=0, execute_as_principal_id int`
		index = `object_id int, name sysname, index_id int, type tinyint, type_desc nvarchar(60), is_unique bit, data_space_id int, ignore_dup_key bit,
			is_primary_key bit, is_unique_constraint bit, fill_factor tinyint, is_padded bit, is_disabled bit, is_hypothetical bit, allow_row_locks bit, allow_page_locks bit,
			has_filter bit, filter_definition nvarchar(max)`
		principal = `name sysname, principal_id int, type char(1), type_desc nvarchar(60), default_schema_name sysname, create_date datetime, modify_date datetime,
			owning_principal_id int, sid nvarchar(172), is_fixed_role bit=0, authentication_type int, authentication_type_desc nvarchar(60), default_language_name sysname`
		constraint = `CONSTRAINT_CATALOG nvarchar(128), CONSTRAINT_SCHEMA nvarchar(128), CONSTRAINT_NAME sysname, `
		ofTable    = `TABLE_CATALOG nvarchar(128), TABLE_SCHEMA nvarchar(128), TABLE_NAME sysname`
		standard   = `CHARACTER_MAXIMUM_LENGTH int, CHARACTER_OCTET_LENGTH int, COLLATION_CATALOG sysname, COLLATION_SCHEMA sysname, COLLATION_NAME sysname,
			CHARACTER_SET_CATALOG sysname, CHARACTER_SET_SCHEMA sysname, CHARACTER_SET_NAME sysname, NUMERIC_PRECISION tinyint, NUMERIC_PRECISION_RADIX smallint,
			NUMERIC_SCALE int, DATETIME_PRECISION smallint`
	)
	sys := func(name, text string, rows func(*Database) []row) view {
		return view{system, name, columns(text), rows}
	}
	info := func(name, text string, rows func(*Database) []row) view {
		return view{information, name, columns(text), rows}
	}
	own := func(d *Database) []entry { return d.entries() }
	return []view{
		sys("databases", `name sysname, database_id int, source_database_id int, owner_sid nvarchar(172), create_date datetime, compatibility_level tinyint=150,
			collation_name sysname, user_access tinyint=0, user_access_desc nvarchar(60)=MULTI_USER, is_read_only bit=1, is_auto_close_on bit=0, is_auto_shrink_on bit=0,
			state tinyint=0, state_desc nvarchar(60)=ONLINE, is_in_standby bit=0, is_cleanly_shutdown bit=0, is_supplemental_logging_enabled bit=0,
			snapshot_isolation_state tinyint=0, snapshot_isolation_state_desc nvarchar(60)=OFF, is_read_committed_snapshot_on bit=0, recovery_model tinyint=3,
			recovery_model_desc nvarchar(60)=SIMPLE, page_verify_option tinyint=0, page_verify_option_desc nvarchar(60)=NONE, is_auto_create_stats_on bit=0,
			is_auto_update_stats_on bit=0, is_ansi_null_default_on bit=1, is_ansi_nulls_on bit=1, is_ansi_padding_on bit=1, is_ansi_warnings_on bit=1, is_arithabort_on bit=1,
			is_concat_null_yields_null_on bit=1, is_numeric_roundabort_on bit=0, is_quoted_identifier_on bit=1, is_recursive_triggers_on bit=0,
			is_cursor_close_on_commit_on bit=0, is_local_cursor_default bit=0, is_fulltext_enabled bit=0, is_trustworthy_on bit=0, is_db_chaining_on bit=0,
			is_parameterization_forced bit=0, is_master_key_encrypted_by_server bit=0, is_published bit=0, is_subscribed bit=0, is_merge_published bit=0, is_distributor bit=0,
			is_broker_enabled bit=0, is_date_correlation_on bit=0, is_cdc_enabled bit=0, is_encrypted bit=0, replica_id nvarchar(36), containment tinyint=0,
			containment_desc nvarchar(60)=NONE, default_language_name nvarchar(128), default_language_lcid smallint`, (*Database).sysDatabases),
		sys("schemas", "name sysname, schema_id int, principal_id int=1", (*Database).sysSchemas),
		sys("objects", object, func(d *Database) []row { return d.sysObjects(distinct(own(d))) }),
		sys("all_objects", object, func(d *Database) []row { return d.sysObjects(d.all()) }),
		sys("tables", table, func(d *Database) []row { return d.sysTables() }),
		sys("views", viewObject, func(d *Database) []row { return d.sysObjects(ofKind(own(d), View)) }),
		sys("all_views", viewObject, func(d *Database) []row { return d.sysObjects(ofKind(d.all(), View)) }),
		sys("procedures", procedure, func(d *Database) []row { return d.sysObjects(ofKind(own(d), Procedure)) }),
		sys("columns", column, func(d *Database) []row { return sysColumns(own(d)) }),
		sys("all_columns", column, func(d *Database) []row { return sysColumns(d.all()) }),
		sys("types", `name sysname, system_type_id tinyint, user_type_id int, schema_id int=4, principal_id int, max_length smallint, precision tinyint, scale tinyint,
			collation_name sysname, is_nullable bit=1, is_user_defined bit=0, is_assembly_type bit=0, default_object_id int=0, rule_object_id int=0, is_table_type bit=0`, sysTypes),
		sys("parameters", parameter, func(d *Database) []row { return sysParameters(own(d)) }),
		sys("all_parameters", parameter, func(d *Database) []row { return sysParameters(own(d)) }),
		sys("sql_modules", module, nil),
		sys("all_sql_modules", module, nil),
		sys("indexes", index, nil),
		sys("index_columns", `object_id int, index_id int, index_column_id int, column_id int, key_ordinal tinyint, partition_ordinal tinyint, is_descending_key bit,
			is_included_column bit`, nil),
		sys("stats", "object_id int, name sysname, stats_id int, auto_created bit, user_created bit, no_recompute bit, has_filter bit, filter_definition nvarchar(max)", nil),
		sys("foreign_keys", object+`, referenced_object_id int, key_index_id int, is_disabled bit, is_not_for_replication bit, is_not_trusted bit,
			delete_referential_action tinyint, delete_referential_action_desc nvarchar(60), update_referential_action tinyint, update_referential_action_desc nvarchar(60),
			is_system_named bit`, nil),
		sys("foreign_key_columns", `constraint_object_id int, constraint_column_id int, parent_object_id int, parent_column_id int, referenced_object_id int,
			referenced_column_id int`, nil),
		sys("key_constraints", object+", unique_index_id int, is_system_named bit, is_enforced bit", nil),
		sys("check_constraints", object+`, is_disabled bit, is_not_for_replication bit, is_not_trusted bit, parent_column_id int, definition nvarchar(max),
			uses_database_collation bit, is_system_named bit`, nil),
		sys("default_constraints", object+", parent_column_id int, definition nvarchar(max), is_system_named bit", nil),
		sys("computed_columns", column+", definition nvarchar(max), uses_database_collation bit, is_persisted bit", nil),
		sys("identity_columns", column+", seed_value nvarchar(128), increment_value nvarchar(128), last_value nvarchar(128), is_not_for_replication bit", nil),
		sys("extended_properties", "class tinyint, class_desc nvarchar(60), major_id int, minor_id int, name sysname, value nvarchar(max)", extendedProperties),
		sys("synonyms", object+", base_object_name nvarchar(1035)", nil),
		sys("sequences", object+`, start_value nvarchar(128), increment nvarchar(128), minimum_value nvarchar(128), maximum_value nvarchar(128), is_cycling bit, is_cached bit,
			cache_size int, system_type_id tinyint, user_type_id int, precision tinyint, scale tinyint, current_value nvarchar(128), is_exhausted bit`, nil),
		sys("triggers", `name sysname, object_id int, parent_class tinyint, parent_class_desc nvarchar(60), parent_id int, type char(2), type_desc nvarchar(60),
			create_date datetime, modify_date datetime, is_ms_shipped bit, is_disabled bit, is_not_for_replication bit, is_instead_of_trigger bit`, nil),
		sys("table_types", `name sysname, system_type_id tinyint, user_type_id int, schema_id int, principal_id int, max_length smallint, precision tinyint, scale tinyint,
			collation_name sysname, is_nullable bit, is_user_defined bit, is_assembly_type bit, default_object_id int, rule_object_id int, is_table_type bit,
			type_table_object_id int, is_memory_optimized bit`, nil),
		sys("xml_schema_collections", "xml_collection_id int, schema_id int, principal_id int, name sysname, create_date datetime, modify_date datetime", nil),
		sys("assemblies", `name sysname, principal_id int, assembly_id int, clr_name nvarchar(4000), permission_set tinyint, permission_set_desc nvarchar(60), is_visible bit,
			create_date datetime, modify_date datetime, is_user_defined bit`, nil),
		sys("partitions", `partition_id bigint, object_id int, index_id int, partition_number int, hobt_id bigint, rows bigint, filestream_filegroup_id smallint, data_compression tinyint,
			data_compression_desc nvarchar(60)`, nil),
		sys("dm_db_partition_stats", `partition_id bigint, object_id int, index_id int, partition_number int, in_row_data_page_count bigint, in_row_used_page_count bigint,
			in_row_reserved_page_count bigint, lob_used_page_count bigint, lob_reserved_page_count bigint, row_overflow_used_page_count bigint, row_overflow_reserved_page_count bigint,
			used_page_count bigint, reserved_page_count bigint, row_count bigint`, nil),
		sys("data_spaces", "name sysname, data_space_id int, type char(2), type_desc nvarchar(60), is_default bit, is_system bit", nil),
		sys("assembly_types", `name sysname, assembly_id int, assembly_class sysname, assembly_qualified_name nvarchar(4000), is_fixed_length bit, max_length smallint, is_nullable bit`, nil),

		// "System Compatibility Views": those of SQL Server 2000, which .NET and old tools ask for
		sys("sysdatabases", `name sysname, dbid smallint, sid nvarchar(172), mode smallint=0, status int=0, status2 int=0, crdate datetime, reserved datetime, category int=0, cmptlevel tinyint=150,
			filename nvarchar(260), version smallint`, (*Database).oldDatabases),
		sys("sysusers", `uid smallint=1, status smallint=0, name sysname=dbo, sid nvarchar(172)=0x01, roles nvarchar(172), createdate datetime, updatedate datetime, altuid smallint, gid smallint=0,
			environ nvarchar(255), hasdbaccess int=1, islogin int=1, isntname int=0, isntgroup int=0, isntuser int=0, issqluser int=1, isaliased int=0, issqlrole int=0, isapprole int=0`,
			func(d *Database) []row { return []row{{"createdate": d.Since, "updatedate": d.Since}} }),
		sys("sysobjects", `name sysname, id int, xtype char(2), uid smallint, info smallint=0, status int=0, base_schema_ver int=0, replinfo int=0, parent_obj int=0, crdate datetime,
			ftcatid smallint=0, schema_ver int=0, stats_schema_ver int=0, type char(2), userstat smallint=1, sysstat smallint=0, indexdel smallint=0, refdate datetime, version int=0, deltrig int=0,
			instrig int=0, updtrig int=0, seltrig int=0, category int=0, cache smallint=0`, (*Database).oldObjects),
		sys("syscolumns", `name sysname, id int, xtype tinyint, typestat tinyint=0, xusertype smallint, length smallint, xprec tinyint, xscale tinyint, colid smallint, xoffset smallint=0,
			bitpos tinyint=0, reserved tinyint=0, colstat smallint=0, cdefault int=0, domain int=0, number smallint=0, colorder smallint, autoval nvarchar(172), offset smallint=0, collationid int,
			language int=0, status tinyint=0, type tinyint, usertype smallint, printfmt nvarchar(255), prec smallint, scale int, iscomputed int=0, isoutparam int=0, isnullable int,
			collation sysname`, oldColumns),
		sys("systypes", `name sysname, xtype tinyint, status tinyint=0, xusertype smallint, length smallint, xprec tinyint, xscale tinyint, tdefault int=0, domain int=0, uid smallint=4,
			reserved smallint=0, collationid int, usertype smallint, variable bit=0, allownulls bit=1, type tinyint, printfmt nvarchar(255), prec smallint, scale int, collation sysname`, oldTypes),

		sys("configurations", `configuration_id int, name nvarchar(35), value int, minimum int, maximum int, value_in_use int, description nvarchar(255), is_dynamic bit=1,
			is_advanced bit=1`, configurations),
		sys("server_principals", `name sysname, principal_id int, sid nvarchar(172), type char(1), type_desc nvarchar(60), is_disabled bit=0, create_date datetime,
			modify_date datetime, default_database_name sysname, default_language_name sysname=us_english, credential_id int, owning_principal_id int, is_fixed_role bit=0`, (*Database).serverPrincipals),
		sys("database_principals", principal, (*Database).databasePrincipals),
		sys("server_role_members", "role_principal_id int, member_principal_id int", nil),
		sys("database_role_members", "role_principal_id int, member_principal_id int", nil),
		sys("database_permissions", `class tinyint, class_desc nvarchar(60), major_id int, minor_id int, grantee_principal_id int, grantor_principal_id int, type char(4),
			permission_name nvarchar(128), state char(1), state_desc nvarchar(60)`, nil),
		sys("servers", `server_id int, name sysname, product sysname, provider sysname, data_source nvarchar(4000), location nvarchar(4000), provider_string nvarchar(4000),
			catalog sysname, is_linked bit=0, is_remote_login_enabled bit=0, is_rpc_out_enabled bit=0, is_data_access_enabled bit=0`, (*Database).servers),
		sys("dm_exec_sessions", `session_id smallint, login_time datetime, host_name nvarchar(128), program_name nvarchar(128), host_process_id int, client_version int,
			client_interface_name nvarchar(32), login_name nvarchar(128), status nvarchar(30)=running, cpu_time int=0, memory_usage int=0, last_request_start_time datetime,
			text_size int, language nvarchar(128)=us_english, date_format nvarchar(3)=mdy, is_user_process bit=1, original_login_name nvarchar(128), database_id smallint,
			open_transaction_count int=0`, (*Database).sessions),
		sys("dm_os_host_info", `host_platform nvarchar(256)=Linux, host_distribution nvarchar(256), host_release nvarchar(256), host_service_pack_level nvarchar(256),
			host_sku int, os_language_version int=1033, host_architecture nvarchar(256)`, func(*Database) []row { return []row{{}} }),
		sys("syslanguages", `langid smallint=0, dateformat nchar(3)=mdy, datefirst tinyint=7, upgrade int=0, name sysname=us_english, alias sysname=English, lcid int=1033,
			msglangid smallint=1033`, func(*Database) []row { return []row{{}} }),

		info("SCHEMATA", `CATALOG_NAME sysname, SCHEMA_NAME nvarchar(128), SCHEMA_OWNER nvarchar(128)=dbo, DEFAULT_CHARACTER_SET_CATALOG sysname,
			DEFAULT_CHARACTER_SET_SCHEMA sysname, DEFAULT_CHARACTER_SET_NAME sysname=iso_1`, (*Database).schemata),
		info("TABLES", ofTable+", TABLE_TYPE varchar(10)", (*Database).informationTables),
		info("COLUMNS", ofTable+`, COLUMN_NAME sysname, ORDINAL_POSITION int, COLUMN_DEFAULT nvarchar(4000), IS_NULLABLE varchar(3), DATA_TYPE nvarchar(128),
			CHARACTER_MAXIMUM_LENGTH int, CHARACTER_OCTET_LENGTH int, NUMERIC_PRECISION tinyint, NUMERIC_PRECISION_RADIX smallint, NUMERIC_SCALE int,
			DATETIME_PRECISION smallint, CHARACTER_SET_CATALOG sysname, CHARACTER_SET_SCHEMA sysname, CHARACTER_SET_NAME sysname, COLLATION_CATALOG sysname,
			COLLATION_SCHEMA sysname, COLLATION_NAME sysname, DOMAIN_CATALOG sysname, DOMAIN_SCHEMA sysname, DOMAIN_NAME sysname`, (*Database).informationColumns),
		info("VIEWS", ofTable+", VIEW_DEFINITION nvarchar(4000), CHECK_OPTION varchar(7)=NONE, IS_UPDATABLE varchar(2)=NO", (*Database).informationViews),
		info("ROUTINES", `SPECIFIC_CATALOG nvarchar(128), SPECIFIC_SCHEMA nvarchar(128), SPECIFIC_NAME sysname, ROUTINE_CATALOG nvarchar(128), ROUTINE_SCHEMA nvarchar(128),
			ROUTINE_NAME sysname, ROUTINE_TYPE nvarchar(20)=PROCEDURE, MODULE_CATALOG sysname, MODULE_SCHEMA sysname, MODULE_NAME sysname, UDT_CATALOG sysname,
			UDT_SCHEMA sysname, UDT_NAME sysname, DATA_TYPE sysname, `+standard+`, ROUTINE_BODY nvarchar(30)=EXTERNAL, ROUTINE_DEFINITION nvarchar(4000),
			EXTERNAL_NAME sysname, EXTERNAL_LANGUAGE nvarchar(30), PARAMETER_STYLE nvarchar(30), IS_DETERMINISTIC nvarchar(10)=NO, SQL_DATA_ACCESS nvarchar(30)=MODIFIES,
			IS_NULL_CALL nvarchar(10), SCHEMA_LEVEL_ROUTINE nvarchar(10)=YES, MAX_DYNAMIC_RESULT_SETS smallint=1, IS_USER_DEFINED_CAST nvarchar(10)=NO,
			IS_IMPLICITLY_INVOCABLE nvarchar(10)=NO, CREATED datetime, LAST_ALTERED datetime`, (*Database).routines),
		info("PARAMETERS", `SPECIFIC_CATALOG nvarchar(128), SPECIFIC_SCHEMA nvarchar(128), SPECIFIC_NAME sysname, ORDINAL_POSITION int, PARAMETER_MODE nvarchar(10)=IN,
			IS_RESULT nvarchar(10)=NO, AS_LOCATOR nvarchar(10)=NO, PARAMETER_NAME sysname, DATA_TYPE nvarchar(128), `+standard+`, INTERVAL_TYPE nvarchar(30),
			INTERVAL_PRECISION smallint, USER_DEFINED_TYPE_CATALOG sysname, USER_DEFINED_TYPE_SCHEMA sysname, USER_DEFINED_TYPE_NAME sysname, SCOPE_CATALOG sysname,
			SCOPE_SCHEMA sysname, SCOPE_NAME sysname`, (*Database).informationParameters),
		info("TABLE_CONSTRAINTS", constraint+ofTable+", CONSTRAINT_TYPE varchar(11), IS_DEFERRABLE varchar(2), INITIALLY_DEFERRED varchar(2)", nil),
		info("KEY_COLUMN_USAGE", constraint+ofTable+", COLUMN_NAME sysname, ORDINAL_POSITION int", nil),
		info("REFERENTIAL_CONSTRAINTS", constraint+`UNIQUE_CONSTRAINT_CATALOG nvarchar(128), UNIQUE_CONSTRAINT_SCHEMA nvarchar(128), UNIQUE_CONSTRAINT_NAME sysname,
			MATCH_OPTION varchar(7), UPDATE_RULE varchar(11), DELETE_RULE varchar(11)`, nil),
		info("CHECK_CONSTRAINTS", constraint+"CHECK_CLAUSE nvarchar(4000)", nil),
		info("CONSTRAINT_COLUMN_USAGE", ofTable+", COLUMN_NAME sysname, "+strings.TrimSuffix(constraint, ", "), nil),
		info("CONSTRAINT_TABLE_USAGE", ofTable+", "+strings.TrimSuffix(constraint, ", "), nil),
		info("VIEW_TABLE_USAGE", "VIEW_CATALOG nvarchar(128), VIEW_SCHEMA nvarchar(128), VIEW_NAME sysname, "+ofTable, nil),
		info("VIEW_COLUMN_USAGE", "VIEW_CATALOG nvarchar(128), VIEW_SCHEMA nvarchar(128), VIEW_NAME sysname, "+ofTable+", COLUMN_NAME sysname", nil),
		info("TABLE_PRIVILEGES", "GRANTOR nvarchar(128)=dbo, GRANTEE nvarchar(128), "+ofTable+`, PRIVILEGE_TYPE varchar(10)=SELECT, IS_GRANTABLE varchar(3)=NO`, (*Database).informationPrivileges),
	}
}

// distinct leaves out procedures that have the name of a view: tools join by the names of a schema, of which SQL Server has each once. They are among
// all_objects and procedures.
func distinct(entries []entry) []entry {
	return slices.CompactFunc(entries, func(a, b entry) bool { return a.Schema == b.Schema && a.Name == b.Name })
}

func ofKind(entries []entry, kind Kind) []entry {
	return slices.DeleteFunc(entries, func(e entry) bool { return e.Kind != kind })
}

func (d *Database) sysDatabases() (rows []row) {
	for i, name := range d.Databases {
		rows = append(rows, row{"name": name, "database_id": int64(FirstID + i), "create_date": d.Since, "collation_name": Collation})
	}
	return rows
}

func (d *Database) sysSchemas() (rows []row) {
	for _, s := range d.schemas() {
		rows = append(rows, row{"name": s.name, "schema_id": s.id})
	}
	return rows
}

func (d *Database) object(e entry) row {
	code, long := e.word()
	return row{"name": e.Name, "object_id": e.id, "schema_id": e.schema, "type": code, "type_desc": long, "create_date": d.Since, "modify_date": d.Since, "is_ms_shipped": e.own}
}

func (d *Database) sysObjects(entries []entry) (rows []row) {
	for _, e := range entries {
		rows = append(rows, d.object(e))
	}
	return rows
}

func (d *Database) sysTables() (rows []row) {
	for _, e := range ofKind(d.entries(), Table) {
		rows = append(rows, d.object(e).with(row{"max_column_id_used": int64(len(e.Columns))}))
	}
	return rows
}

// stored is a type as sys.columns, sys.parameters and sys.types give it.
func stored(t gateway.Type) row {
	f := factsOf(t, true)
	return row{"system_type_id": f.id, "user_type_id": f.id, "max_length": f.bytes, "precision": f.digits, "scale": f.places}
}

func sysColumns(entries []entry) (rows []row) {
	for _, e := range entries {
		for i, c := range e.columns() {
			r := stored(c.Type).with(row{"object_id": e.id, "name": c.Name, "column_id": int64(i + 1), "is_nullable": !c.NotNull})
			if factsOf(c.Type, true).isText() {
				r["collation_name"] = Collation
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func sysTypes(*Database) (rows []row) {
	for _, t := range offered() {
		r := stored(t).with(row{"name": factsOf(t, true).name})
		if factsOf(t, true).isText() {
			r["collation_name"] = Collation
		}
		rows = append(rows, r)
	}
	const nvarchar, sysname = int64(231), int64(256)
	return append(rows, row{"name": "sysname", "system_type_id": nvarchar, "user_type_id": sysname, "max_length": int64(256), "precision": int64(0), "scale": int64(0), "collation_name": Collation, "is_nullable": false})
}

func sysParameters(entries []entry) (rows []row) {
	for _, e := range entries {
		for i, p := range e.Parameters {
			rows = append(rows, stored(p.Type).with(row{"object_id": e.id, "name": p.Name, "parameter_id": int64(i + 1)}))
		}
	}
	return rows
}

// extendedProperties are the descriptions of objects and columns, under the name by which tools show them.
func extendedProperties(d *Database) (rows []row) {
	add := func(e entry, column int, value string) {
		if value != "" {
			rows = append(rows, row{"class": int64(1), "class_desc": "OBJECT_OR_COLUMN", "major_id": e.id, "minor_id": int64(column), "name": "MS_Description", "value": value})
		}
	}
	for _, e := range d.entries() {
		add(e, 0, e.About)
		for i, c := range e.columns() {
			add(e, i+1, c.About)
		}
	}
	return rows
}

// configurations are the options of sp_configure that tools look at.
func configurations(*Database) (rows []row) {
	for _, o := range []struct {
		id          int64
		name        string
		value, most int64
	}{
		{101, "recovery interval (min)", 0, 32767}, {103, "user connections", 0, 32767}, {109, "fill factor (%)", 0, 100}, {115, "nested triggers", 0, 1}, {116, "server trigger recursion", 0, 1},
		{117, "remote access", 1, 1}, {124, "default language", 0, 9999}, {400, "cross db ownership chaining", 0, 1}, {518, "show advanced options", 1, 1}, {1126, "default full-text language", 1033, 2147483647},
		{1127, "two digit year cutoff", 2049, 9999}, {1534, "user options", 0, 32767}, {1539, "max degree of parallelism", 0, 32767}, {1543, "min server memory (MB)", 0, 2147483647},
		{1544, "max server memory (MB)", 2147483647, 2147483647}, {1562, "clr enabled", 0, 1}, {16384, "Agent XPs", 0, 1}, {16390, "xp_cmdshell", 0, 1}, {16391, "Ad Hoc Distributed Queries", 0, 1},
	} {
		rows = append(rows, row{"configuration_id": o.id, "name": o.name, "value": o.value, "minimum": int64(0), "maximum": o.most, "value_in_use": o.value, "description": o.name})
	}
	return rows
}

func (d *Database) serverPrincipals() []row {
	return []row{{"name": d.Login, "principal_id": int64(1), "sid": "0x01", "type": "S", "type_desc": "SQL_LOGIN", "create_date": d.Since, "modify_date": d.Since, "default_database_name": d.Name}}
}

// databasePrincipals are the user that every login is.
func (d *Database) databasePrincipals() []row {
	return []row{{"name": dbo, "principal_id": int64(1), "type": "S", "type_desc": "SQL_USER", "default_schema_name": dbo, "create_date": d.Since, "modify_date": d.Since, "sid": "0x01",
		"authentication_type": int64(1), "authentication_type_desc": "INSTANCE"}}
}

func (d *Database) servers() []row {
	return []row{{"server_id": int64(0), "name": d.Server, "product": "SQL Server", "provider": "SQLNCLI", "data_source": d.Server}}
}

// sessions are the one that asks: others are not its business.
func (d *Database) sessions() []row {
	s := d.Session
	return []row{{"session_id": s.ID, "login_time": s.Since, "host_name": text(s.Host), "program_name": text(s.Program), "login_name": d.Login, "original_login_name": d.Login,
		"last_request_start_time": s.Since, "database_id": int64(FirstID + slices.Index(d.Databases, d.Name))}}
}

func (d *Database) schemata() (rows []row) {
	for _, s := range d.schemas() {
		rows = append(rows, row{"CATALOG_NAME": d.Name, "SCHEMA_NAME": s.name})
	}
	return rows
}

// ofTable is the name of a table or view in INFORMATION_SCHEMA.
func (d *Database) ofTable(e entry) row {
	return row{"TABLE_CATALOG": d.Name, "TABLE_SCHEMA": e.Schema, "TABLE_NAME": e.Name}
}

func (d *Database) informationTables() (rows []row) {
	for _, e := range d.relations() {
		kind := "BASE TABLE"
		if e.Kind == View {
			kind = "VIEW"
		}
		rows = append(rows, d.ofTable(e).with(row{"TABLE_TYPE": kind}))
	}
	return rows
}

func (d *Database) informationColumns() (rows []row) {
	for _, e := range d.relations() {
		for i, c := range e.Columns {
			r := standard(c.Type).with(d.ofTable(e)).with(row{"COLUMN_NAME": c.Name, "ORDINAL_POSITION": int64(i + 1), "IS_NULLABLE": yes(!c.NotNull)})
			if factsOf(c.Type, true).isText() {
				r["COLLATION_NAME"] = Collation
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func (d *Database) informationViews() (rows []row) {
	for _, e := range ofKind(d.entries(), View) {
		rows = append(rows, d.ofTable(e))
	}
	return rows
}

func (d *Database) routines() (rows []row) {
	for _, e := range d.procedures() {
		rows = append(rows, row{"SPECIFIC_CATALOG": d.Name, "SPECIFIC_SCHEMA": e.Schema, "SPECIFIC_NAME": e.Name, "ROUTINE_CATALOG": d.Name, "ROUTINE_SCHEMA": e.Schema, "ROUTINE_NAME": e.Name,
			"CREATED": d.Since, "LAST_ALTERED": d.Since})
	}
	return rows
}

func (d *Database) informationParameters() (rows []row) {
	for _, e := range d.procedures() {
		for i, p := range e.Parameters {
			r := standard(p.Type).with(row{"SPECIFIC_CATALOG": d.Name, "SPECIFIC_SCHEMA": e.Schema, "SPECIFIC_NAME": e.Name, "ORDINAL_POSITION": int64(i + 1), "PARAMETER_NAME": p.Name})
			if factsOf(p.Type, true).isText() {
				r["COLLATION_NAME"] = Collation
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func (d *Database) informationPrivileges() (rows []row) {
	for _, e := range d.relations() {
		rows = append(rows, d.ofTable(e).with(row{"GRANTEE": d.Login}))
	}
	return rows
}

func (d *Database) oldDatabases() (rows []row) {
	for i, name := range d.Databases {
		rows = append(rows, row{"name": name, "dbid": int64(FirstID + i), "crdate": d.Since})
	}
	return rows
}

func (d *Database) oldObjects() (rows []row) {
	for _, e := range d.entries() {
		code, _ := e.word()
		rows = append(rows, row{"name": e.Name, "id": e.id, "xtype": code, "type": code, "uid": e.schema, "crdate": d.Since, "refdate": d.Since})
	}
	return rows
}

// oldType is a type as the views of SQL Server 2000 give it.
func oldType(t gateway.Type) row {
	f := factsOf(t, true)
	r := row{"xtype": f.id, "xusertype": f.id, "usertype": f.id, "type": factsOf(t, false).legacy, "length": f.bytes, "xprec": f.digits, "xscale": f.places, "prec": f.precision, "scale": f.scale}
	if f.isText() {
		r["collation"] = Collation
	}
	return r
}

func oldColumns(d *Database) (rows []row) {
	for _, e := range d.entries() {
		for i, c := range e.columns() {
			at := int64(i + 1)
			rows = append(rows, oldType(c.Type).with(row{"name": c.Name, "id": e.id, "colid": at, "colorder": at, "isnullable": nullable(c.Column)}))
		}
	}
	return rows
}

func oldTypes(*Database) (rows []row) {
	for _, t := range offered() {
		rows = append(rows, oldType(t).with(row{"name": factsOf(t, true).name}))
	}
	return rows
}
