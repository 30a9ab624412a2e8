/**
 * `list`: the Ethernet functions of the machine. Layer: cli.
 */
import { listFunctions } from '../../daemon/index.ts';
import type { CommandSpec } from '../command.ts';
import { formatTable } from '../table.ts';

export const listCommand: CommandSpec = {
  path: ['list'],
  summary: 'list Ethernet functions: address, ids, kernel driver, IOMMU group, miniport',
  arguments: [],
  options: [{ flags: '--json', summary: 'as one JSON array' }],
  examples: [['list', 'which NICs there are, and which of them this program drives']],
  run: async (_args, options) => {
    const functions = listFunctions();
    if (options['json'] === true) {
      console.log(JSON.stringify(functions));
    } else if (functions.length === 0) {
      console.log('no Ethernet functions');
    } else {
      const rows = functions.map((each) => [
        each.address,
        each.ids,
        each.driver ?? '-',
        each.iommuGroup === null ? '-' : String(each.iommuGroup),
        each.miniport ?? '-',
        each.interfaces.join(', '),
      ]);
      console.log(formatTable([['ADDRESS', 'IDS', 'DRIVER', 'GROUP', 'MINIPORT', 'INTERFACE'], ...rows]));
    }
    return 0;
  },
};
