// The types that generated code carries along.
// Generated from src/kernel/metadata.ts by codegen/build-sql.ts: change it there, then run `npm run generate`.

/** From src/kernel/metadata.ts. */
export const metadataContract: string = `/** How a driver's text becomes a JavaScript value where there is a choice; the generated types agree with it. */
export interface ParserChoices {
  /** \`bigint\` columns (int8). A \`number\` that would lose digits is an error of the query. */
  readonly int8: "string" | "number" | "bigint";
  /** \`numeric\` columns; \`number\` rounds to what a double holds. */
  readonly numeric: "string" | "number";
  /** \`date\` columns; a \`Date\` is midnight in the local time zone of the process. */
  readonly date: "Date" | "string";
  /** \`timestamp\` and \`timestamptz\` columns. */
  readonly timestamp: "Date" | "string";
}

/** A column. Fields that would say what most columns are, are left out. */
export interface ColumnMetadata {
  /** Its name in the database. */
  readonly name: string;
  /** As PostgreSQL writes it: \`character varying(20)\`, \`public.mood[]\`. */
  readonly type: string;
  /** Schema and name of the type, of its elements for an array; a domain by its own name. */
  readonly typeName: string;
  /** Of a domain: schema and name of the type beneath, of its elements for an array. */
  readonly baseTypeName?: string;
  readonly array?: true;
  /** Of a range type of a schema's own, what it is. */
  readonly range?: "range" | "multirange";
  /** Of a type with comparison operators of its own, such as citext: their schema. */
  readonly operators?: string;
  readonly nullable?: true;
  /** May be left out of an INSERT. */
  readonly optional?: true;
  /** INSERT takes no value for it. */
  readonly insertable?: false;
  /** UPDATE takes no value for it. */
  readonly updatable?: false;
  /** SQL of the default, of the column or its domain. */
  readonly default?: string;
  readonly identity?: "always" | "by default";
  readonly generated?: "stored" | "virtual";
  /** SQL of a generated column. */
  readonly expression?: string;
  /** Characters. */
  readonly maxLength?: number;
  readonly precision?: number;
  readonly scale?: number;
  readonly comment?: string;
  /** Of a view's column: where its values come from unchanged. */
  readonly base?: { readonly schema: string; readonly table: string; readonly column: string };
}

/** A unique constraint or unique index over columns, without predicate. */
export interface UniqueKeyMetadata {
  readonly name: string;
  readonly columns: readonly string[];
  readonly nullsNotDistinct?: true;
}

/** What a foreign key does. */
export type ForeignKeyAction = "no action" | "restrict" | "cascade" | "set null" | "set default";

/** A foreign key, from the table that has it. */
export interface ForeignKeyMetadata {
  readonly name: string;
  readonly columns: readonly string[];
  /** The referenced table. */
  readonly schema: string;
  readonly table: string;
  readonly referencedColumns: readonly string[];
  /** \`one-to-one\` when the columns are unique here, so that at most one row references another. */
  readonly cardinality: "one-to-one" | "many-to-one";
  readonly onUpdate?: ForeignKeyAction;
  readonly onDelete?: ForeignKeyAction;
  readonly deferrable?: true;
}

/** How rows of another table belong to one of this. */
export interface RelationMetadata {
  readonly kind: "one" | "many";
  /** Key of the other table in \`DB\`. */
  readonly table: string;
  /** Columns here, and those of the other table that equal them, or of \`through\` in its turn. */
  readonly columns: readonly string[];
  readonly referencedColumns: readonly string[];
  /** There may be none where one is asked for. */
  readonly nullable?: true;
  /** A table that joins the two: its columns that equal \`columns\`, and those that equal \`referencedColumns\`. */
  readonly through?: {
    readonly table: string;
    readonly columns: readonly string[];
    readonly referencedColumns: readonly string[];
  };
}

/** One key of an index: a column or an expression. */
export interface IndexKeyMetadata {
  readonly column?: string;
  readonly expression?: string;
  /** Operator class, unless it is the default of the type. */
  readonly opclass?: string;
  readonly descending?: true;
  /** Unless the order says so by itself. */
  readonly nulls?: "first" | "last";
}

/** An index. */
export interface IndexMetadata {
  readonly name: string;
  /** \`btree\`, \`gin\`, \`gist\`, \`hash\`, \`brin\`, … */
  readonly method: string;
  readonly keys: readonly IndexKeyMetadata[];
  readonly include?: readonly string[];
  readonly unique?: true;
  readonly nullsNotDistinct?: true;
  readonly where?: string;
  /** A build that failed left it behind. */
  readonly invalid?: true;
}

/** A check constraint. */
export interface CheckMetadata {
  readonly name: string;
  readonly expression: string;
  readonly columns: readonly string[];
}

/** A policy of row-level security. */
export interface PolicyMetadata {
  readonly name: string;
  readonly command: "all" | "select" | "insert" | "update" | "delete";
  readonly permissive: boolean;
  readonly roles: readonly string[];
  readonly using?: string;
  readonly check?: string;
}

/** A table, view or foreign table; its columns, keys and so on are by the names that queries use. */
export interface TableMetadata {
  /** Its key in \`DB\`: what \`selectFrom\` takes. */
  readonly key: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: "table" | "partitioned table" | "view" | "materialized view" | "foreign table";
  readonly comment?: string;
  readonly columns: Readonly<Record<string, ColumnMetadata>>;
  /** Columns, in the order of the key; empty without one. */
  readonly primaryKey: readonly string[];
  readonly uniqueKeys: readonly UniqueKeyMetadata[];
  readonly foreignKeys: readonly ForeignKeyMetadata[];
  /** From foreign keys, in both directions, by the names that loading them takes. */
  readonly relations: Readonly<Record<string, RelationMetadata>>;
  readonly indexes: readonly IndexMetadata[];
  readonly checks: readonly CheckMetadata[];
  /** \`forced\`: it binds the owner too. */
  readonly rowSecurity: "off" | "on" | "forced";
  readonly policies: readonly PolicyMetadata[];
  /** Of a partitioned table: its key as SQL, and its partitions. */
  readonly partitions?: {
    readonly key: string;
    readonly tables: readonly { readonly schema: string; readonly name: string; readonly bound: string }[];
  };
  /** Parents by inheritance. */
  readonly inherits?: readonly { readonly schema: string; readonly name: string }[];
}

/** One argument of a function. */
export interface ArgumentMetadata {
  /** Its name in the database; undefined when it has none and is passed by place. */
  readonly name?: string;
  /** Schema and name, with \`[]\` for an array. */
  readonly type: string;
  /** Of a domain: the type beneath. */
  readonly baseType?: string;
  readonly mode: "in" | "out" | "inout" | "variadic" | "table";
  /** Its name in the arguments of a call; undefined when a call gives no value for it. */
  readonly key?: string;
  readonly optional?: true;
}

/** One function, procedure or aggregate of a name: overloads differ in their arguments. */
export interface FunctionMetadata {
  readonly kind: "function" | "procedure" | "aggregate";
  readonly arguments: readonly ArgumentMetadata[];
  readonly returns: string;
  /** It returns rows. */
  readonly set?: true;
  /** What it returns has columns: OUT arguments, or a row of a table or composite type. */
  readonly row?: true;
  readonly volatility: "immutable" | "stable" | "volatile";
  /** It gives null, without being called, when an argument is null. */
  readonly strict?: true;
  readonly securityDefiner?: true;
  readonly comment?: string;
}

/** All functions of one name. */
export interface FunctionsOfName {
  readonly schema: string;
  readonly name: string;
  readonly overloads: readonly FunctionMetadata[];
}

/** A domain. */
export interface DomainMetadata {
  readonly type: string;
  readonly notNull?: true;
  readonly default?: string;
  readonly checks: readonly { readonly name: string; readonly expression: string }[];
}

/** An attribute of a composite type. */
export interface AttributeMetadata {
  readonly name: string;
  /** As SQL has it. */
  readonly type: string;
  /** Of a domain, or of an array of one: what lies beneath, schema and name, with \`[]\` for an array. */
  readonly baseType?: string;
}

/** Everything that generated code says of a schema. */
export interface Metadata<DB = unknown> {
  /** \`metadataFormat\` of the version that wrote it. */
  readonly format: number;
  /** Carries the type of \`DB\`; it has no value. */
  readonly types?: DB | undefined;
  readonly parsers: ParserChoices;
  /** Codecs that the types were made for, by name; they are given to \`createDatabase\` too. */
  readonly codecs?: readonly string[];
  /** Names are those of Kysely's CamelCasePlugin. */
  readonly camelCase: boolean;
  /** Roles that policies and grants name. */
  readonly roles: readonly string[];
  /** Element types whose arrays occur, \`schema.name\`: their arrays are parsed too. */
  readonly arrays: readonly string[];
  /** Labels in order, by \`schema.name\`. */
  readonly enums: Readonly<Record<string, readonly string[]>>;
  readonly domains: Readonly<Record<string, DomainMetadata>>;
  /** Attributes in order, by \`schema.name\`. */
  readonly composites: Readonly<Record<string, readonly AttributeMetadata[]>>;
  /** The subtype, by \`schema.name\`. */
  readonly ranges: Readonly<Record<string, { readonly subtype: string; readonly multirange?: string }>>;
  readonly tables: Readonly<Record<string, TableMetadata>>;
  readonly functions: Readonly<Record<string, FunctionsOfName>>;
}`
