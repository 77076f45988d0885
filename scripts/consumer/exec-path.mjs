// Where the runtime is that npx runs.
console.log(process.execPath);
