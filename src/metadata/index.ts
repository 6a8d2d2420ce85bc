// tenon/metadata: the contract of the metadata that `tenon codegen` writes, for code that reads it.

export {
  type ArgumentMetadata,
  type AttributeMetadata,
  assertMetadata,
  type CheckMetadata,
  type ColumnMetadata,
  type DomainMetadata,
  type ForeignKeyAction,
  type ForeignKeyMetadata,
  type FunctionMetadata,
  type FunctionsOfName,
  type IndexKeyMetadata,
  type IndexMetadata,
  type Metadata,
  metadataFormat,
  type ParserChoices,
  type PolicyMetadata,
  type TableMetadata,
  type UniqueKeyMetadata,
} from '../kernel/metadata.ts'
