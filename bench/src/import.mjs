// Imports what is named, in a fresh process, and prints how many milliseconds that took.
const begin = performance.now();
await import(process.argv[2]);
console.log(performance.now() - begin);
process.exit(0);
