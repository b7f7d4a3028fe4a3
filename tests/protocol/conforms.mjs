// Whether a result has the shape that the schema promises for its document.
import {
  getNamedType, getNullableType, isAbstractType, isEnumType, isLeafType, isListType, isNonNullType, Kind,
} from 'graphql';

const text = (pattern) => (value) => typeof value === 'string' && pattern.test(value);
const SCALARS = {
  Boolean: (value) => typeof value === 'boolean',
  CurrencyCode: text(/^[A-Z]{3}$/),
  DateTime: text(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/),
  Decimal: text(/^-?\d+(\.\d+)?$/),
  Float: Number.isFinite,
  ID: text(/^.+$/),
  Int: (value) => Number.isInteger(value) && Math.abs(value) < 2 ** 31,
  Long: Number.isSafeInteger,
  String: (value) => typeof value === 'string',
};

// Returns the fields that a selection asks of an object of this type, by response key.
function fieldsOf(schema, fragments, selections, type) {
  const fields = new Map();
  const applies = (name) => {
    const condition = schema.getType(name);
    return condition === type || (isAbstractType(condition) && schema.isSubType(condition, type));
  };
  const collect = ({ selections }) => {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        const key = (selection.alias ?? selection.name).value;
        const known = fields.get(key);
        fields.set(key, { name: selection.name.value, sets: [...(known?.sets ?? []), selection.selectionSet] });
      } else {
        const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? fragments.get(selection.name.value) : selection;
        if (!fragment.typeCondition || applies(fragment.typeCondition.name.value)) collect(fragment.selectionSet);
      }
    }
  };
  selections.forEach(collect);
  return fields;
}

// Returns the differences between a result's data and the document's promise. `nulled` are the paths at which a null is
// explained by an error.
export function differences(schema, document, data, nulled = []) {
  const operation = document.definitions.find(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  const fragments = new Map(
    document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION).map((one) => [one.name.value, one]),
  );
  const found = [];
  const check = (value, type, selections, path) => {
    if (value === undefined) return found.push(`${path} is missing`);
    if (value === null) {
      if (isNonNullType(type) && !nulled.includes(path)) found.push(`${path} is null`);
      return undefined;
    }
    const nullable = getNullableType(type);
    if (isListType(nullable)) {
      if (!Array.isArray(value)) return found.push(`${path} is no list`);
      return value.forEach((item, index) => check(item, nullable.ofType, selections, `${path}.${index}`));
    }
    const named = getNamedType(nullable);
    if (isLeafType(named)) {
      const valid = isEnumType(named) ? named.getValue(value) !== undefined : SCALARS[named.name]?.(value);
      return valid || found.push(`${path} is ${JSON.stringify(value)}, no ${named.name}`);
    }
    return checkObject(value, named, selections, path);
  };
  const checkObject = (value, type, selections, path) => {
    let object = type;
    if (isAbstractType(type)) {
      const possible = schema.getPossibleTypes(type);
      object = possible.find(({ name }) => name === value.__typename);
      if (!object && !('__typename' in value)) {
        // Without `__typename`, a value fits if it has the fields of one of the types.
        object = possible.find((one) => {
          const keys = [...fieldsOf(schema, fragments, selections, one).keys()];
          return keys.length === Object.keys(value).length && keys.every((key) => key in value);
        });
      }
      if (!object) return found.push(`${path} is no ${type.name}`);
    }
    const fields = fieldsOf(schema, fragments, selections, object);
    for (const [key, { name, sets }] of fields) {
      const at = path ? `${path}.${key}` : key;
      if (name === '__typename') {
        if (value[key] !== object.name) found.push(`${at} is ${value[key]}, not ${object.name}`);
      } else {
        check(value[key], object.getFields()[name].type, sets.filter(Boolean), at);
      }
    }
    const more = Object.keys(value).filter((key) => !fields.has(key));
    if (more.length > 0) found.push(`${path} has ${more}, which nobody selected`);
    return undefined;
  };
  const roots = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() };
  checkObject(data, roots[operation.operation], [operation.selectionSet], '');
  return found;
}
