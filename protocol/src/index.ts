export { isCanonicalScalar, isPrimeOrderPoint, isSmallOrderEncoding } from './point.js';
