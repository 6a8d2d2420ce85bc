import { PGlite } from '@electric-sql/pglite'
let t=performance.now(); const p=await PGlite.create(); console.log('boot',performance.now()-t);
t=performance.now(); const dump=await p.dumpDataDir('none'); console.log('dump',performance.now()-t,dump.size);
for (let i=0;i<3;i++){ t=performance.now(); const q=await PGlite.create({loadDataDir:dump}); console.log('load',performance.now()-t); await q.query('select 1');}
